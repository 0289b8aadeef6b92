-- Stores a pair of wrongly matched questions, and drops an entry. Either may be omitted.
--
-- Uses: replicas
--
-- KEYS: wrong, dropped, touched, expiries, totals
-- ARGV: 1 pair, or ''   2 prefix of the hourly counters   3 counter   4 prefix of the entries
--       5 fingerprint of the entry to drop, or ''   6 most pairs; the oldest make room
-- Returns {1 if the pair is new, 1 if there was such an entry, how many replicas are connected or -1}.
local clock = redis.call('TIME')
local micros = clock[1] * 1000000 + clock[2]

-- Readers continue after the last score they have seen, so scores must be strictly increasing.
local function add(key, member)
  local last = redis.call('ZREVRANGE', key, 0, 0, 'WITHSCORES')[2]
  redis.call('ZADD', key, string.format('%.0f', math.max(micros, tonumber(last or 0) + 1)), member)
end

-- Removing comes first: a script whose first write takes no memory may go on even when Redis is full.
redis.call('ZREM', KEYS[1], '')
local new, dropped = 0, 0
if ARGV[1] ~= '' and not redis.call('ZSCORE', KEYS[1], ARGV[1]) then
  add(KEYS[1], ARGV[1])
  local over = redis.call('ZCARD', KEYS[1]) - tonumber(ARGV[6] or 100000)
  if over > 0 then
    redis.call('ZREM', KEYS[1], unpack(redis.call('ZRANGE', KEYS[1], 0, math.min(over, 1000) - 1)))
  end
  local hour = ARGV[2] .. math.floor(clock[1] / 3600)
  redis.call('HINCRBY', KEYS[5], ARGV[3], 1)
  redis.call('HINCRBY', hour, ARGV[3], 1)
  redis.call('EXPIRE', hour, 3456000)
  new = 1
end
if ARGV[5] ~= '' then
  dropped = redis.call('DEL', ARGV[4] .. ARGV[5])
  redis.call('ZREM', KEYS[3], ARGV[5])
  -- Upkeep then sees it as long expired, and deletes its vector.
  redis.call('ZADD', KEYS[4], 0, ARGV[5])
  redis.call('ZREMRANGEBYSCORE', KEYS[2], '-inf', string.format('%.0f', micros - 3600000000))
  add(KEYS[2], ARGV[5])
end
return {new, dropped, replicas()}
