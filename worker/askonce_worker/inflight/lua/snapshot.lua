-- The live leaders and the end of the feed, for shards whose feed does not end where the caller expects.
--
-- KEYS: of each: leaders, feed
-- ARGV: of each: end of the feed as the caller knows it ('' for not at all)
-- Returns for each: nil, or {end of the feed, {leader, record, ...}}.
local replies = {}
for i = 1, #ARGV do
  local newest = redis.call('XREVRANGE', KEYS[2 * i], '+', '-', 'COUNT', 1)[1]
  local last = newest and newest[1] or '0-0'
  replies[i] = last ~= ARGV[i] and {last, redis.call('HGETALL', KEYS[2 * i - 1])}
end
return replies
