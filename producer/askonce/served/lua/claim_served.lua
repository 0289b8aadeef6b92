-- Takes a batch that no server runs: one of the namespace of which fewest are run, the one that waits for longest.
--
-- KEYS: open batches
-- ARGV: 1 what the key of a batch begins with   2 ms of the lease
-- Returns {} or {namespace, batch, fence, its fields and values}.
local clock = redis.call('TIME')
local now = clock[1] * 1000 + math.floor(clock[2] / 1000)
local taken = {}
for _, member in ipairs(redis.call('ZRANGEBYSCORE', KEYS[1], '(' .. now, '+inf')) do
  local namespace = string.match(member, '^[^/]*')
  taken[namespace] = (taken[namespace] or 0) + 1
end
local best, fewest
for _, member in ipairs(redis.call('ZRANGEBYSCORE', KEYS[1], '-inf', now)) do
  local count = taken[string.match(member, '^[^/]*')] or 0
  if not fewest or count < fewest then
    best, fewest = member, count
  end
end
if not best then
  return {}
end
local namespace, name = string.match(best, '^([^/]*)/(.*)$')
local key = ARGV[1] .. namespace .. ':' .. name
if redis.call('EXISTS', key) == 0 then
  redis.call('ZREM', KEYS[1], best)
  return {}
end
redis.call('ZADD', KEYS[1], now + ARGV[2], best)
local fence = redis.call('HINCRBY', key, 'fence', 1)
return {namespace, name, fence, redis.call('HGETALL', key)}
