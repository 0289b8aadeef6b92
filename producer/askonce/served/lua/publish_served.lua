-- Makes a file known whose bytes are there, unless they are cleared away: it took too long, or was deleted meanwhile. Of
-- results there are those of the server that runs the batch, and of no other.
--
-- KEYS: the file's record, files of the namespace, when bytes go, the batch whose results it has (none for an upload)
-- ARGV: 1 record   2 seconds of its life   3 when they end (Unix s)   4 file   5 namespace/file
--       6 when it was made (Unix ms)   7 fence
-- Returns 1; 0 if another server has taken the batch, or its bytes are cleared away.
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
