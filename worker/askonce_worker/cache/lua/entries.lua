-- Reads entries, up to a bound on their bytes together: one reply must not stop Redis for others.
--
-- ARGV: 1 prefix of the entries   2 most bytes   3... fingerprints
-- Returns for each: the entry, false where there is none, or its length where it has to be asked for again.
local replies, left = {}, tonumber(ARGV[2])
for i = 3, #ARGV do
  local key = ARGV[1] .. ARGV[i]
  local length = redis.pcall('STRLEN', key)
  if type(length) ~= 'number' or length == 0 then
    replies[#replies + 1] = false
  elseif length <= left or #replies == 0 then
    replies[#replies + 1] = redis.call('GET', key)
    left = left - length
  else
    replies[#replies + 1] = length
  end
end
return replies
