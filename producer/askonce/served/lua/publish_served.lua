-- Publishes the record of a file whose bytes are written, unless they are to be deleted: it took too long, or was
-- deleted meanwhile. Results are only published by the server that runs the batch.
--
-- KEYS: the file's record, files of the namespace, expiries of bytes, the results' batch (none for an upload)
-- ARGV: 1 record   2 lifetime in seconds   3 when it expires (Unix s)   4 file   5 namespace/file
--       6 creation time (Unix ms)   7 fence
-- Returns 1; 0 if another server has taken the batch, or the bytes are to be deleted.
if KEYS[4] and redis.call('HGET', KEYS[4], 'fence') ~= ARGV[7] then
  return 0
end
local until_s = tonumber(redis.call('ZSCORE', KEYS[3], ARGV[5]) or 0)
if until_s <= tonumber(redis.call('TIME')[1]) then
  return 0
end
redis.call('SET', KEYS[1], ARGV[1], 'EX', ARGV[2])
redis.call('ZADD', KEYS[3], ARGV[3], ARGV[5])
redis.call('ZADD', KEYS[2], ARGV[6], ARGV[4])
redis.call('EXPIRE', KEYS[2], ARGV[2], 'NX')
redis.call('EXPIRE', KEYS[2], ARGV[2], 'GT')
return 1
