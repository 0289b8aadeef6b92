-- Those who wait for a parked question go back to the queue, in jobs of their own before all others, and it is forgotten;
-- or some of them go, to the queue or for good, and it stays in its place.
--
-- Uses: fenced
--
-- KEYS: lock, queue:bulk, wake, fair, load
-- ARGV: 1 prefix of the keys   2 token   3 prefix of job records   4 function   5 lifetime of a result in ms   6 id
--       7 how many wait, or 0 where some go   8 their fields, joined by line feeds
--       9 prefix of the result keys (without namespace)
--       10... of each job: its name, chunk, questions in it, timeout in ms, their `namespace:job id` (joined alike)
-- Returns 1, 0 where somebody more waits or it is gone: look again, -1 where another worker has the lock.
if not is_holder(KEYS[1], ARGV[2]) then
  return -1
end
local prefix, id = ARGV[1], ARGV[6]
local key = prefix .. 'question:' .. id
if redis.call('EXISTS', key) == 0 or (ARGV[7] ~= '0' and #waiting(key) ~= tonumber(ARGV[7])) then
  return 0
end

-- A marker names the job that answers it: else, while the job that parked it runs on, the new one would leave it alone.
local function wait_in(result, name)
  local marker = redis.call('GET', result)
  if marker and string.find(marker, '^{"fingerprint":"[^"]*","deadline"') then
    redis.call('SET', result, (string.gsub(marker, '"job":"[^"]*"', '"job":"bulk:' .. name .. '"', 1)), 'KEEPTTL')
  end
end

redis.call('ZREM', prefix .. 'new', '')
local clock = redis.call('TIME')
local now = string.format('%.0f', clock[1] * 1000 + math.floor(clock[2] / 1000))
for i = 10, #ARGV, 5 do
  local name = ARGV[i]
  redis.call('SET', ARGV[3] .. name, '{"t":null,"f":"' .. ARGV[4] .. '","a":[' .. ARGV[i + 1] .. '],"k":{},"et":' .. now
    .. '}', 'PX', string.format('%.0f', ARGV[i + 3] + ARGV[5]))
  redis.call('ZADD', KEYS[2], redis.call('HGET', KEYS[4], '') or '1', name)
  redis.call('HINCRBY', KEYS[5], 'bulk', ARGV[i + 2])
  for waiter in string.gmatch(ARGV[i + 4], '[^\n]+') do
    wait_in(ARGV[9] .. waiter, name)
  end
  if redis.call('LLEN', KEYS[3]) < 64 then
    redis.call('LPUSH', KEYS[3], '1')
  end
end
if ARGV[7] == '0' then
  for field in string.gmatch(ARGV[8], '[^\n]+') do
    redis.call('HDEL', key, field)
  end
  rescore(prefix, id)
else
  forget(prefix, id)
end
return 1
