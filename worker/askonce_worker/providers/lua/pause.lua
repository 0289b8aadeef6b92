-- Stops all workers from calling the provider for a while. A longer pause stays in force.
--
-- KEYS: pause
-- ARGV: ms
-- Returns ms left of it.
local left = redis.call('PTTL', KEYS[1])
if left >= tonumber(ARGV[1]) then
  return left
end
redis.call('SET', KEYS[1], '1', 'PX', ARGV[1])
return tonumber(ARGV[1])
