-- Makes a file of results known, with the bytes of the server that runs the batch, and of no other.
--
-- KEYS: the batch, the file's record, files of the namespace, when bytes go
-- ARGV: 1 fence   2 record   3 seconds of its life   4 when they end (Unix s)   5 file   6 namespace/file
--       7 when it was made (Unix ms)
-- Returns 1, or 0 where another server has taken the batch.
if redis.call('HGET', KEYS[1], 'fence') ~= ARGV[1] then
  return 0
end
redis.call('SET', KEYS[2], ARGV[2], 'EX', ARGV[3])
redis.call('ZADD', KEYS[4], ARGV[4], ARGV[6])
redis.call('ZADD', KEYS[3], ARGV[7], ARGV[5])
redis.call('EXPIRE', KEYS[3], ARGV[3], 'NX')
redis.call('EXPIRE', KEYS[3], ARGV[3], 'GT')
return 1
