-- Begins or continues to fill a batch with a pool's parked questions, nearest deadlines first.
--
-- Uses: fenced
--
-- KEYS: lock
-- ARGV: 1 prefix of the keys   2 token   3 batch   4 pool   5 its model   6 how many more
-- Returns how many were moved, or -1 if another worker has the lock.
if not is_holder(KEYS[1], ARGV[2]) then
  return -1
end
local prefix, name, ready = ARGV[1], ARGV[3], ARGV[1] .. 'ready:' .. ARGV[4]
local found = redis.call('ZRANGE', ready, 0, ARGV[6] - 1, 'WITHSCORES')
if #found == 0 then
  redis.call('HDEL', prefix .. 'since', ARGV[4])
  return 0
end
local clock = redis.call('TIME')
local now = string.format('%.0f', clock[1] * 1000 + math.floor(clock[2] / 1000))
local batch = prefix .. 'batch:' .. name
redis.call('ZREM', ready, '')
if redis.call('HSETNX', batch, 'v', 1) == 1 then
  redis.call('HSET', batch, 'state', 'filled', 'pool', ARGV[4], 'model', ARGV[5], 'began', now)
  redis.call('ZADD', prefix .. 'batches', now, name)
end
for i = 1, #found, 2 do
  local key = prefix .. 'question:' .. found[i]
  if redis.call('EXISTS', key) == 1 then
    redis.call('HSET', key, 'place', 'lines:' .. name)
    redis.call('ZADD', prefix .. 'lines:' .. name, found[i + 1], found[i])
  end
  redis.call('ZREM', ready, found[i])
end
if redis.call('ZCARD', ready) == 0 then
  redis.call('HDEL', prefix .. 'since', ARGV[4])
else
  redis.call('HSET', prefix .. 'since', ARGV[4], now)
end
return #found / 2
