-- Creates a batch from a file. Idempotent.
--
-- Uses: note_due
--
-- KEYS: the file's record, the batch, batches of the namespace, its open batches, due namespaces
-- ARGV: 1 batch   2 namespace   3 its window in seconds   4 seconds for which it is kept after its end
--       5 longest window in seconds   6 maximum open batches of the namespace
--       then its fields, name and value
-- Returns 1, 0 if there is no such file, or -1 if the namespace has reached its limit of open batches.
if redis.call('EXISTS', KEYS[1]) == 0 then
  return 0
end
if redis.call('EXISTS', KEYS[2]) == 1 then
  return 1
end
if redis.call('ZCARD', KEYS[4]) >= tonumber(ARGV[6]) then
  return -1
end
local clock = redis.call('TIME')
local now, window, kept = tonumber(clock[1]), tonumber(ARGV[3]), tonumber(ARGV[4])
local ms, longest = now * 1000 + math.floor(clock[2] / 1000), ARGV[5] + 2 * kept
redis.call('HSET', KEYS[2], 'created_at', now, 'expires_at', now + window, unpack(ARGV, 7))
redis.call('EXPIRE', KEYS[2], window + 2 * kept)
redis.call('ZREMRANGEBYSCORE', KEYS[3], '-inf', (now - longest) * 1000)
redis.call('ZADD', KEYS[3], ms, ARGV[1])
redis.call('EXPIRE', KEYS[3], longest)
redis.call('ZADD', KEYS[4], ms, ARGV[1])
note_due(KEYS[5], KEYS[4], ARGV[2])
return 1
