-- Reads entries, up to a bound on their total bytes: one reply must not block Redis for others.
--
-- ARGV: 1 prefix of the entries   2 most bytes together   3 most bytes of one, 0 for any (then the first comes in any case)
--       4... fingerprints
-- Returns for each: the entry, false if there is none, or its size if it is too large and must be read again.
local replies, left, most = {}, tonumber(ARGV[2]), tonumber(ARGV[3])
for i = 4, #ARGV do
  local key = ARGV[1] .. ARGV[i]
  local found
  if most == 0 then
    local length = redis.pcall('STRLEN', key)
    local fits = type(length) == 'number' and (length <= left or #replies == 0)
    found = fits and redis.call('GET', key) or length
  else
    found = redis.pcall('GETRANGE', key, 0, most)
  end
  if type(found) == 'string' then
    local length = string.len(found)
    if length == 0 then
      found = false
    elseif most > 0 and (length > most or length > left) then
      found = length
    else
      left = left - length
    end
  elseif type(found) == 'table' or found == 0 then
    found = false
  end
  replies[#replies + 1] = found
end
return replies
