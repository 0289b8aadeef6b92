-- Claims a batch that no server runs: the longest-waiting one of the namespace with the fewest running batches.
--
-- Uses: note_due
--
-- KEYS: due namespaces
-- ARGV: 1 prefix of the keys of open batches   2 prefix of the keys of batches   3 lease in ms
-- Returns {} or {namespace, batch, fence, its fields and values}.
local clock = redis.call('TIME')
local now = clock[1] * 1000 + math.floor(clock[2] / 1000)
local namespace, fewest
-- Of any number of waiting namespaces, only the longest-waiting ones are considered.
for _, each in ipairs(redis.call('ZRANGEBYSCORE', KEYS[1], '-inf', now, 'LIMIT', 0, 100)) do
  local count = redis.call('ZCOUNT', ARGV[1] .. each, '(' .. now, '+inf')
  if not fewest or count < fewest then
    namespace, fewest = each, count
  end
end
if not namespace then
  return {}
end
local open = ARGV[1] .. namespace
local name = redis.call('ZRANGE', open, 0, 0)[1]
local key = ARGV[2] .. namespace .. ':' .. (name or '')
if redis.call('EXISTS', key) == 0 then
  redis.call('ZREM', open, name or '')
  note_due(KEYS[1], open, namespace)
  return {}
end
redis.call('ZADD', open, now + ARGV[3], name)
note_due(KEYS[1], open, namespace)
local fence = redis.call('HINCRBY', key, 'fence', 1)
return {namespace, name, fence, redis.call('HGETALL', key)}
