-- Restores leaders that Redis has lost (a restart without persistence), except settled or lapsed ones.
--
-- KEYS: leaders, feed, workers, doubted
-- ARGV: 1 prefix of the answers   2 worker   3 its lease in ms   4 records kept in the feed
--       5... of each: leader, scope, record
-- Returns how many were restored.
local clock = redis.call('TIME')
local deadline = clock[1] * 1000 + math.floor(clock[2] / 1000) + ARGV[3]
-- Removing comes first: Redis lets a script that has begun to write go on even when its memory is full.
redis.call('HDEL', KEYS[4], ARGV[2])
redis.call('ZADD', KEYS[3], 'GT', string.format('%d', deadline), ARGV[2])
local restored = 0
for i = 5, #ARGV, 3 do
  local lost = redis.call('EXISTS', ARGV[1] .. ARGV[i]) == 0
  if lost and redis.call('HSETNX', KEYS[1], ARGV[i], ARGV[i + 2]) == 1 then
    local newest = redis.call('XREVRANGE', KEYS[2], '+', '-', 'COUNT', 1)[1]
    redis.call('XADD', KEYS[2], 'MAXLEN', '~', ARGV[4], '*', 'after', newest and newest[1] or '0-0',
      'led', ARGV[i], 'scope', ARGV[i + 1], 'record', ARGV[i + 2])
    restored = restored + 1
  end
end
return restored
