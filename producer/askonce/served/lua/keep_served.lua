-- Keeps a batch for the server that runs it, and notes how far it is; or gives it back.
--
-- KEYS: open batches, the batch
-- ARGV: 1 `namespace/batch`   2 fence   3 ms from now on for which no other server takes it   4 completed   5 failed
-- Returns its status, or '' where another server has taken it.
if redis.call('HGET', KEYS[2], 'fence') ~= ARGV[2] or not redis.call('ZSCORE', KEYS[1], ARGV[1]) then
  return ''
end
-- Removing comes first: Redis lets a script that has begun to write go on even when its memory is full.
redis.call('HDEL', KEYS[2], '')
local clock = redis.call('TIME')
redis.call('ZADD', KEYS[1], clock[1] * 1000 + math.floor(clock[2] / 1000) + ARGV[3], ARGV[1])
redis.call('HSET', KEYS[2], 'completed', ARGV[4], 'failed', ARGV[5])
return redis.call('HGET', KEYS[2], 'status')
