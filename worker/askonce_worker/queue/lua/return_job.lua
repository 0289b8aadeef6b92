-- Puts jobs back into their queues: for a later retry, or at once at the front, where they were.
--
-- KEYS: 1 queue:interactive 2 queue:bulk 3 leases:interactive 4 leases:bulk 5 tokens:interactive 6 tokens:bulk 7 wake
--       8 alone:interactive 9 alone:bulk
-- ARGV: of each: lane (1 or 2), job, token, delay in ms or '' for at once, failures to add, least number of lapses
-- Returns for each: 1 returned, 0 another worker has the lease.
local clock = redis.call('TIME')
local now = clock[1] * 1000 + math.floor(clock[2] / 1000)
local replies, ready = {}, false
for i = 1, #ARGV, 6 do
  local lane, job = tonumber(ARGV[i]), ARGV[i + 1]
  local state = redis.call('HGET', KEYS[4 + lane], job)
  local fence, lapses, failures, score = string.match(state or '', '^(%S+) (%d+) (%d+) (%S+)')
  if fence == ARGV[i + 2] then
    if ARGV[i + 3] == '' then
      ready = true
    else
      score = string.format('%.0f', now + ARGV[i + 3])
    end
    lapses = math.max(tonumber(lapses), tonumber(ARGV[i + 5]))
    redis.call('ZREM', KEYS[2 + lane], job)
    redis.call('ZADD', KEYS[lapses >= 2 and 7 + lane or lane], score, job)
    failures = tonumber(failures) + tonumber(ARGV[i + 4])
    redis.call('HSET', KEYS[4 + lane], job, table.concat({'-', lapses, failures, score}, ' '))
    replies[#replies + 1] = 1
  else
    replies[#replies + 1] = 0
  end
end
if ready and redis.call('LLEN', KEYS[7]) < 64 then
  redis.call('LPUSH', KEYS[7], '1')
end
return replies
