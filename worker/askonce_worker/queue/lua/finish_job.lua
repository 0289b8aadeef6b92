-- Finishes jobs that are done, of which the caller holds the lease.
--
-- KEYS: 1 leases:interactive 2 leases:bulk 3 tokens:interactive 4 tokens:bulk 5 load
-- ARGV: 1 prefix of the job records   2 prefix of arq's own counts of tries
--       3... of each: lane (1 or 2), job, token, how many questions it counts for
-- Returns for each: 1 finished, 0 another worker has the lease.
local replies = {}
for i = 3, #ARGV, 4 do
  local lane, job = tonumber(ARGV[i]), ARGV[i + 1]
  local state = redis.call('HGET', KEYS[2 + lane], job)
  if state and string.match(state, '^%S+') == ARGV[i + 2] then
    redis.call('ZREM', KEYS[lane], job)
    redis.call('HDEL', KEYS[2 + lane], job)
    redis.call('DEL', ARGV[1] .. job, ARGV[2] .. job)
    if ARGV[i + 3] ~= '0' then
      redis.call('HINCRBY', KEYS[5], lane == 1 and 'interactive' or 'bulk', '-' .. ARGV[i + 3])
    end
    replies[#replies + 1] = 1
  else
    replies[#replies + 1] = 0
  end
end
return replies
