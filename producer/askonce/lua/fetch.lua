-- Reads values, and stops before they are too many bytes for one reply.
--
-- KEYS: of the values
-- ARGV: 1 most bytes
-- Returns for each: the value, false (there is none, or it is no string), or 0 (not read: ask again). The first value is always read.
local left, replies = tonumber(ARGV[1]), {}
local most = left
for i = 1, #KEYS do
  local size = redis.pcall('STRLEN', KEYS[i])
  if type(size) ~= 'number' or size == 0 then
    replies[i] = false
  elseif size <= left or left == most then
    replies[i] = redis.call('GET', KEYS[i])
    left = left - size
  else
    replies[i] = 0
  end
end
return replies
