#!lua flags=allow-oom
-- Appends leaders to a shard, if no other leader of their scopes came since the claimant last looked. (Endings may
-- have come: a question that follows a leader which has just settled gets its answer all the same.) A claim is a sign
-- of life.
--
-- KEYS: leaders, feed, workers, doubted
-- ARGV: 1 end of the feed as the claimant knows it   2 worker   3 its lease in ms, 0 where it showed life just before
--       4 records kept in the feed
--       5... of each: leader, scope, record
-- Returns {1, what came, ids of the new records}, {0, what came}, or {-1}: what came is not known any more.
local function ending()
  local newest = redis.call('XREVRANGE', KEYS[2], '+', '-', 'COUNT', 1)[1]
  return newest and newest[1] or '0-0'
end

local most = 500
-- What came begins with the record that the claimant saw last, while that is kept.
local came = redis.call('XRANGE', KEYS[2], ARGV[1], '+', 'COUNT', most + 1)
local last
if came[1] and came[1][1] == ARGV[1] then
  table.remove(came, 1)
  last = came[#came] and came[#came][1] or ARGV[1]
else
  last = ending()
  if last ~= ARGV[1] and (#came == 0 or came[1][2][1] ~= 'after' or came[1][2][2] ~= ARGV[1]) then
    return {-1}
  end
end
local scopes = {}
for i = 6, #ARGV, 3 do
  scopes[ARGV[i]] = true
end
for i = 1, #came do
  local fields = came[i][2]
  local harmless = fields[3] == 'ended' or (fields[5] == 'scope' and not scopes[fields[6]])
  if not harmless or i >= most then
    return {0, came}
  end
end

if ARGV[3] ~= '0' then
  local clock = redis.call('TIME')
  local deadline = clock[1] * 1000 + math.floor(clock[2] / 1000) + ARGV[3]
  redis.call('ZADD', KEYS[3], 'GT', string.format('%d', deadline), ARGV[2])
  redis.call('HDEL', KEYS[4], ARGV[2])
end
local ids = {}
for i = 5, #ARGV, 3 do
  redis.call('HSET', KEYS[1], ARGV[i], ARGV[i + 2])
  last = redis.call('XADD', KEYS[2], 'MAXLEN', '~', ARGV[4], '*', 'after', last, 'led', ARGV[i],
    'scope', ARGV[i + 1], 'record', ARGV[i + 2])
  ids[#ids + 1] = last
end
return {1, came, ids}
