-- Turns a job that cannot be done into a dead letter. Beyond 10,000 letters the older ones of a
-- few taken at random make room: letters hold prompts, and are not evictable.
--
-- KEYS: 1 leases 2 tokens 3 load 4 dead
-- ARGV: 1 prefix of the job records   2 prefix of arq's own counts of tries   3 job   4 token   5 lane
--       6 how many questions it counts for   7 dead letter
-- Returns 1, or 0 if another worker has the lease.
local state = redis.call('HGET', KEYS[2], ARGV[3])
if not state or string.match(state, '^%S+') ~= ARGV[4] then
  return 0
end
redis.call('ZREM', KEYS[1], ARGV[3])
redis.call('HDEL', KEYS[2], ARGV[3])
redis.call('DEL', ARGV[1] .. ARGV[3], ARGV[2] .. ARGV[3])
redis.call('HSET', KEYS[4], ARGV[3], ARGV[7])
for _ = 1, math.min(2, redis.call('HLEN', KEYS[4]) - 10000) do
  local oldest, since = nil, math.huge
  for _, other in ipairs(redis.call('HRANDFIELD', KEYS[4], 8)) do
    local at = tonumber(string.match(redis.call('HGET', KEYS[4], other), '"at":(%d+)') or 0)
    if other ~= ARGV[3] and at < since then
      oldest, since = other, at
    end
  end
  redis.call('HDEL', KEYS[4], oldest)
end
if ARGV[6] ~= '0' then
  redis.call('HINCRBY', KEYS[3], ARGV[5], '-' .. ARGV[6])
end
return 1
