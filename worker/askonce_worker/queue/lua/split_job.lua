-- Replaces a job by smaller ones that wait in its place; the load stays the same.
--
-- KEYS: 1 queue 2 leases 3 tokens 4 wake 5 alone
-- ARGV: 1 prefix of the job records   2 prefix of arq's own counts of tries   3 job   4 token
--       5 lapses and 6 failures that each new job begins with   7... of each new one: job, record
-- Returns 1, or 0 if another worker has the lease.
local state = redis.call('HGET', KEYS[3], ARGV[3])
local fence, score = string.match(state or '', '^(%S+) %d+ %d+ (%S+)')
if fence ~= ARGV[4] then
  return 0
end
redis.call('ZREM', KEYS[2], ARGV[3])
redis.call('HDEL', KEYS[3], ARGV[3])
local left = redis.call('PTTL', ARGV[1] .. ARGV[3])
for i = 7, #ARGV, 2 do
  redis.call('SET', ARGV[1] .. ARGV[i], ARGV[i + 1])
  if left > 0 then
    redis.call('PEXPIRE', ARGV[1] .. ARGV[i], left)
  end
  redis.call('ZADD', KEYS[tonumber(ARGV[5]) >= 2 and 5 or 1], score, ARGV[i])
  redis.call('HSET', KEYS[3], ARGV[i], table.concat({'-', ARGV[5], ARGV[6], score}, ' '))
end
redis.call('DEL', ARGV[1] .. ARGV[3], ARGV[2] .. ARGV[3])
if redis.call('LLEN', KEYS[4]) < 64 then
  redis.call('LPUSH', KEYS[4], '1')
end
return 1
