-- Removes dead consumers of a stream: each start of a worker makes one. A consumer with pending records stays until
-- another one has taken them over.
--
-- KEYS: stream
-- ARGV: group   ms for which a reader was silent
-- Returns how many were removed.
local dropped = 0
for _, reader in ipairs(redis.call('XINFO', 'CONSUMERS', KEYS[1], ARGV[1])) do
  local facts = {}
  for i = 1, #reader, 2 do
    facts[reader[i]] = reader[i + 1]
  end
  if facts.pending == 0 and facts.idle >= tonumber(ARGV[2]) then
    redis.call('XGROUP', 'DELCONSUMER', KEYS[1], ARGV[1], facts.name)
    dropped = dropped + 1
  end
end
return dropped
