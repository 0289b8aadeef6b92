-- Drops these entries, unless they have changed since it was decided.
--
-- KEYS: touched, expiries
-- ARGV: 1 prefix of the entries   2... of each: fingerprint, beginning of the entry ('': there is none)
-- Returns {Unix s, fingerprint...} of those dropped.
local reply = {tonumber(redis.call('TIME')[1])}
for i = 2, #ARGV, 2 do
  local key = ARGV[1] .. ARGV[i]
  local same
  if ARGV[i + 1] == '' then
    same = redis.call('EXISTS', key) == 0
  else
    same = redis.call('GETRANGE', key, 0, string.len(ARGV[i + 1]) - 1) == ARGV[i + 1]
  end
  if same then
    redis.call('DEL', key)
    redis.call('ZREM', KEYS[1], ARGV[i])
    redis.call('ZREM', KEYS[2], ARGV[i])
    reply[#reply + 1] = ARGV[i]
  end
end
return reply
