-- Puts a job into the interactive lane that explains a question.
--
-- Uses: nearly_full
--
-- KEYS: queue, wake, load
-- ARGV: 1 workers   2 key of the job record   3 job   4 function   5 its argument   6 lifetime in ms
--       7 most questions in the lane (0: no bound)
-- Returns 'ok', 'none' (no worker is alive), or 'lane' or 'memory', whichever is full.
local clock = redis.call('TIME')
local now = string.format('%.0f', clock[1] * 1000 + math.floor(clock[2] / 1000))
if redis.call('ZCOUNT', ARGV[1], now, '+inf') == 0 then
  return 'none'
end
-- The load does not count such jobs.
local bound = tonumber(ARGV[7])
local questions = tonumber(redis.call('HGET', KEYS[3], 'interactive') or 0)
if bound > 0 and math.max(questions, redis.call('ZCOUNT', KEYS[1], '-inf', '+inf')) >= bound then
  return 'lane'
end
if nearly_full() then
  return 'memory'
end
redis.call('SET', ARGV[2], '{"t":null,"f":"' .. ARGV[4] .. '","a":[' .. ARGV[5] .. '],"k":{},"et":' .. now .. '}',
  'PX', ARGV[6])
redis.call('ZADD', KEYS[1], now, ARGV[3])
if redis.call('LLEN', KEYS[2]) < 64 then
  redis.call('LPUSH', KEYS[2], '1')
end
return 'ok'
