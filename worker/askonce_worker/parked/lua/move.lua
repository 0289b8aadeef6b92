-- Moves parked questions from one place to another: `new`, `ready:POOL`, `lines:BATCH`.
--
-- Uses: fenced
--
-- KEYS: lock
-- ARGV: 1 prefix of the keys   2 token   3 from   4 to   5 tries to add   6... ids
-- Returns how many were moved, or -1 if another worker has the lock.
if not is_holder(KEYS[1], ARGV[2]) then
  return -1
end
local prefix, from, to, moved = ARGV[1], ARGV[3], ARGV[4], 0
redis.call('ZREM', prefix .. from, '')
for i = 6, #ARGV do
  local id, key = ARGV[i], prefix .. 'question:' .. ARGV[i]
  local deadline = redis.call('ZSCORE', prefix .. from, id)
  if deadline and redis.call('HGET', key, 'place') == from then
    redis.call('HDEL', key, 'vector')
    if not string.find(to, '^lines:') then
      give_back(prefix, id)
    end
    redis.call('HSET', key, 'place', to)
    if ARGV[5] ~= '0' then
      redis.call('HINCRBY', key, 'tries', ARGV[5])
    end
    redis.call('ZREM', prefix .. from, id)
    redis.call('ZADD', prefix .. to, deadline, id)
    moved = moved + 1
  elseif deadline then -- there is no such record, or it is in another place
    redis.call('ZREM', prefix .. from, id)
  end
end
local pool = string.match(to, '^ready:(.*)$')
if pool and moved > 0 then
  local clock = redis.call('TIME')
  redis.call('HSETNX', prefix .. 'since', pool, string.format('%.0f', clock[1] * 1000 + math.floor(clock[2] / 1000)))
end
return moved
