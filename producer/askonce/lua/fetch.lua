-- Reads values, and stops before they are too many bytes for one reply.
--
-- KEYS: of the values
-- ARGV: 1 most bytes
-- Returns for each: the value, false (there is none, or it is no string), or 0 (not read: ask again). The first value is always read.
local SMALL = 65536 -- bytes: almost all values have fewer, and one command reads such a one
local left, replies = tonumber(ARGV[1]), {}
local most = left
for i = 1, #KEYS do
  local value = redis.pcall('GETRANGE', KEYS[i], 0, SMALL)
  local size = type(value) == 'string' and #value or 0
  if size > SMALL then
    size = redis.call('STRLEN', KEYS[i])
  end
  if size == 0 then
    replies[i] = false
  elseif size <= left or left == most then
    replies[i] = size > SMALL and redis.call('GET', KEYS[i]) or value
    left = left - size
  else
    replies[i] = 0
  end
end
return replies
