-- Deletes a file's record, unless an open batch reads the file. A batch is created from it either before or not at all.
--
-- KEYS: the file's record, files of the namespace, expiries of bytes, open batches of the namespace
-- ARGV: 1 file   2 namespace/file   3 prefix of the keys of the namespace's batches
-- Returns '', or the batch that reads it.
for _, name in ipairs(redis.call('ZRANGE', KEYS[4], 0, -1)) do
  if redis.call('HGET', ARGV[3] .. name, 'input_file_id') == ARGV[1] then
    return name
  end
end
redis.call('DEL', KEYS[1])
redis.call('ZREM', KEYS[2], ARGV[1])
redis.call('ZADD', KEYS[3], 0, ARGV[2])
return ''
