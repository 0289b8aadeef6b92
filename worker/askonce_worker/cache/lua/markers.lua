-- Reads the values under job ids: of an answer only the beginning, which identifies it.
--
-- ARGV: 1 prefix of the result keys, with the namespace   2 most bytes of each   3... job ids
-- Returns for each: the beginning, '' for none.
local replies = {}
for i = 3, #ARGV do
  local found = redis.pcall('GETRANGE', ARGV[1] .. ARGV[i], 0, ARGV[2] - 1)
  replies[#replies + 1] = type(found) == 'string' and found or ''
end
return replies
