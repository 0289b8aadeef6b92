-- Reads values, and stops before they are too many bytes for one reply.
--
-- ARGV: 1 most bytes   2... keys of the values: declared as KEYS, they could be read by those alone who may write them
-- Returns for each: the value, false (there is none, or it is no string), or 0 (not read: ask again). The first value is always read.
local SMALL = 65536 -- bytes: almost all values have fewer, and one command reads such a one
local left, replies = tonumber(ARGV[1]), {}
local most = left
for i = 1, #ARGV - 1 do
  local key = ARGV[i + 1]
  local value = redis.pcall('GETRANGE', key, 0, SMALL)
  local size = type(value) == 'string' and #value or 0
  if size > SMALL then
    size = redis.call('STRLEN', key)
  end
  if size == 0 then
    replies[i] = false
  elseif size <= left or left == most then
    replies[i] = size > SMALL and redis.call('GET', key) or value
    left = left - size
  else
    replies[i] = 0
  end
end
return replies
