-- Writes fields of a batch, new or known; `state ended` closes it and keeps it for a week, for inspection. Then its
-- file at the provider is marked for deletion, as it is if it is to be made again (`state filled`). Files named by
-- `files` are marked at once.
--
-- Uses: fenced
--
-- KEYS: lock
-- ARGV: 1 prefix of the keys   2 token   3 batch   4... field, value of each; the value `now` is this moment (Unix ms)
-- Returns the current time, 0 if a batch that still has lines was to be closed, or -1 if another worker has the lock.
if not is_holder(KEYS[1], ARGV[2]) then
  return -1
end
local prefix, name = ARGV[1], ARGV[3]
local clock = redis.call('TIME')
local now = string.format('%.0f', clock[1] * 1000 + math.floor(clock[2] / 1000))
local batch = prefix .. 'batch:' .. name
for i = 4, #ARGV, 2 do
  if ARGV[i] == 'state' and ARGV[i + 1] == 'ended' and redis.call('ZCARD', prefix .. 'lines:' .. name) > 0 then
    return 0
  end
end
redis.call('ZREM', prefix .. 'batches', '')
if redis.call('EXISTS', batch) == 0 then
  redis.call('ZADD', prefix .. 'batches', now, name)
end
for i = 4, #ARGV, 2 do
  redis.call('HSET', batch, ARGV[i], ARGV[i + 1] == 'now' and now or ARGV[i + 1])
  if ARGV[i] == 'files' then
    for other in string.gmatch(ARGV[i + 1], '%S+') do
      redis.call('ZADD', prefix .. 'files', now, other)
    end
  end
  if ARGV[i] == 'state' and ARGV[i + 1] == 'ended' then
    redis.call('ZREM', prefix .. 'batches', name)
    redis.call('ZADD', prefix .. 'ended', now, name)
    redis.call('EXPIRE', batch, 604800)
    for _, old in ipairs(redis.call('ZRANGE', prefix .. 'ended', 0, -1001)) do
      redis.call('ZREM', prefix .. 'ended', old)
      redis.call('DEL', prefix .. 'batch:' .. old)
    end
  end
end
local state, file = unpack(redis.call('HMGET', batch, 'state', 'file'))
if file and (state == 'filled' or state == 'ended') then
  redis.call('ZADD', prefix .. 'files', now, file)
  redis.call('HDEL', batch, 'file')
end
return tonumber(now)
