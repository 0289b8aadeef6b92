-- Stores this hour's least similar matches, each pair of questions once.
--
-- Uses: nearly_full
--
-- ARGV: 1 prefix of the hours' records   2 prefix of the hours' similarities   3 most matches of an hour
--       4 seconds for which an hour is kept   then of each: id, similarity, its record after the time
-- Returns how many are new.
local now = redis.call('TIME')[1]
local hour = math.floor(now / 3600)
local records, nearness = ARGV[1] .. hour, ARGV[2] .. hour
local most, new = tonumber(ARGV[3]), 0

local function wanted(id, similarity)
  if redis.call('ZSCORE', nearness, id) then
    return false
  elseif redis.call('ZCARD', nearness) < most then
    return true
  end
  local nearest = redis.call('ZRANGE', nearness, -1, -1, 'WITHSCORES')[2]
  return tonumber(similarity) < tonumber(nearest or 2)
end

for i = 5, #ARGV, 3 do
  if wanted(ARGV[i], ARGV[i + 1]) then
    if new == 0 and nearly_full() then
      return 0
    end
    redis.call('ZADD', nearness, ARGV[i + 1], ARGV[i])
    redis.call('HSET', records, ARGV[i], '{"at":' .. now .. ',' .. ARGV[i + 2])
    new = new + 1
  end
end
local over = redis.call('ZCARD', nearness) - most
if over > 0 then
  local gone = redis.call('ZRANGE', nearness, -over, -1)
  redis.call('ZREM', nearness, unpack(gone))
  redis.call('HDEL', records, unpack(gone))
end
if new > 0 then
  redis.call('EXPIRE', nearness, ARGV[4])
  redis.call('EXPIRE', records, ARGV[4])
end
return new
