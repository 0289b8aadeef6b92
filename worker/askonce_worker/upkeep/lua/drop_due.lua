-- Drops the entries at the low end of an index: those that are due, or in excess.
--
-- KEYS: index (expiries or touched), touched, expiries
-- ARGV: 1 prefix of the entries   2 most to drop   3 how many seconds past its score an entry is due; '' for any
--       4 how many entries to keep
-- Returns {Unix s, fingerprint...}.
local now = tonumber(redis.call('TIME')[1])
local due = ARGV[3] == '' and '+inf' or string.format('%.0f', now - ARGV[3])
local most = math.min(tonumber(ARGV[2]), redis.call('ZCARD', KEYS[1]) - ARGV[4])
if most <= 0 then
  return {now}
end
local dropped = redis.call('ZRANGEBYSCORE', KEYS[1], '-inf', due, 'LIMIT', 0, most)
for _, fingerprint in ipairs(dropped) do
  redis.call('DEL', ARGV[1] .. fingerprint)
  redis.call('ZREM', KEYS[2], fingerprint)
  redis.call('ZREM', KEYS[3], fingerprint)
end
return {now, unpack(dropped)}
