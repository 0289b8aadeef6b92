-- Reads the beginnings of entries.
--
-- ARGV: 1 prefix of the entries   2 how many bytes   3... fingerprints
-- Returns {Unix s, beginning of each, '' if there is no entry...}.
local reply = {tonumber(redis.call('TIME')[1])}
for i = 3, #ARGV do
  reply[#reply + 1] = redis.call('GETRANGE', ARGV[1] .. ARGV[i], 0, ARGV[2] - 1)
end
return reply
