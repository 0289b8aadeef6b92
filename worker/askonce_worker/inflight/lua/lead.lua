#!lua flags=allow-oom
-- Appends leaders to a shard, unless another leader of their scopes was added since the claimant last looked. (Endings
-- do not matter: followers of a leader that has just settled still get its answer.) A claim counts as a heartbeat.
--
-- KEYS: leaders, feed, workers, doubted
-- ARGV: 1 end of the feed as the claimant knows it   2 worker   3 its lease in ms, 0 if it had a heartbeat just before
--       4 records kept in the feed
--       5... of each: leader, scope, record
-- Returns {1, news, ids of the new records}, {0, news}, or {-1} if the news is no longer complete.
local function ending()
  local newest = redis.call('XREVRANGE', KEYS[2], '+', '-', 'COUNT', 1)[1]
  return newest and newest[1] or '0-0'
end

local most = 500
-- The news begins with the last record the claimant has seen, as long as that is kept.
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
