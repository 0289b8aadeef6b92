-- Reads values, stopping before the reply gets too large.
-- ARGV: 1 most bytes   2... keys of the values: as KEYS, they could only be read by users who may also write them
-- Returns for each: the value, false (missing, or not a string), or 0 (not read: ask again). The first value is always
-- read.
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
