-- Renews the lease of the server that runs a batch and records its progress, or gives the batch back.
--
-- Uses: note_due
--
-- KEYS: open batches of the namespace, the batch, due namespaces
-- ARGV: 1 batch   2 namespace   3 fence   4 ms for which no other server may take it   5 completed   6 failed
-- Returns its status, or '' if another server has taken it.
if redis.call('HGET', KEYS[2], 'fence') ~= ARGV[3] or not redis.call('ZSCORE', KEYS[1], ARGV[1]) then
  return ''
end
-- A removal comes first, because Redis lets a script that has already written continue even if its memory is full.
redis.call('HDEL', KEYS[2], '')
local clock = redis.call('TIME')
redis.call('ZADD', KEYS[1], clock[1] * 1000 + math.floor(clock[2] / 1000) + ARGV[4], ARGV[1])
note_due(KEYS[3], KEYS[1], ARGV[2])
redis.call('HSET', KEYS[2], 'completed', ARGV[5], 'failed', ARGV[6])
return redis.call('HGET', KEYS[2], 'status')
