-- Turns a job that cannot be done into a dead letter. Beyond 10,000 letters or 64 MB, the oldest of a few random ones
-- make room: letters contain prompts and are not evictable.
-- Field `dead` of the load is the approximate size of all letters in bytes. Replays do not subtract from it, and older
-- workers do not add to it, so the letters are counted again before any is dropped for its size.
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

local most = 67108864
local bytes = tonumber(redis.call('HGET', KEYS[3], 'dead') or math.huge) + #ARGV[7]
if bytes > most then
  bytes = 0
  for _, other in ipairs(redis.call('HKEYS', KEYS[4])) do
    bytes = bytes + #redis.call('HGET', KEYS[4], other)
  end
end
local letters = redis.call('HLEN', KEYS[4])

local function drop_old()
  local oldest, since, size = nil, math.huge, 0
  for _, other in ipairs(redis.call('HRANDFIELD', KEYS[4], 8)) do
    local letter = redis.call('HGET', KEYS[4], other)
    local at = tonumber(string.match(letter, '"at":(%d+)') or 0)
    if other ~= ARGV[3] and at < since then
      oldest, since, size = other, at, #letter
    end
  end
  redis.call('HDEL', KEYS[4], oldest)
  letters, bytes = letters - 1, bytes - size
end

for _ = 1, math.min(2, letters - 10000) do
  drop_old()
end
if bytes > most then
  while letters > 1 and bytes > 0.95 * most do
    drop_old()
  end
end
redis.call('HSET', KEYS[3], 'dead', string.format('%.0f', math.max(0, bytes)))
if ARGV[6] ~= '0' then
  redis.call('HINCRBY', KEYS[3], ARGV[5], '-' .. ARGV[6])
end
return 1
