-- Makes a batch of a file. Once, however often it is sent.
--
-- KEYS: the file's record, the batch, batches of the namespace, open batches
-- ARGV: 1 batch   2 `namespace/batch`   3 seconds of its window   4 seconds for which it is kept after its end
--       then its fields, name and value
-- Returns 1, or 0 where there is no such file.
if redis.call('EXISTS', KEYS[1]) == 0 then
  return 0
end
if redis.call('EXISTS', KEYS[2]) == 1 then
  return 1
end
local clock = redis.call('TIME')
local now, window, kept = tonumber(clock[1]), tonumber(ARGV[3]), tonumber(ARGV[4])
redis.call('HSET', KEYS[2], 'created_at', now, 'expires_at', now + window, unpack(ARGV, 5))
redis.call('EXPIRE', KEYS[2], window + 2 * kept)
redis.call('ZREMRANGEBYSCORE', KEYS[3], '-inf', (now - window - 2 * kept) * 1000)
redis.call('ZADD', KEYS[3], now * 1000 + math.floor(clock[2] / 1000), ARGV[1])
redis.call('EXPIRE', KEYS[3], window + 2 * kept)
redis.call('ZADD', KEYS[4], now * 1000 + math.floor(clock[2] / 1000), ARGV[2])
return 1
