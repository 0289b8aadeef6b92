-- Moves the waiters of one parked question to another one, and forgets the first.
--
-- Uses: fenced
--
-- KEYS: lock
-- ARGV: 1 prefix of the keys   2 token   3 id of the first   4 id of the other   5... of each who waits: field, value
-- Returns 1 joined, 0 the other is gone, 2 the first has another waiter, or is gone: look again, -1 another worker has
-- the lock.
if not is_holder(KEYS[1], ARGV[2]) then
  return -1
end
local prefix, first, other = ARGV[1], ARGV[3], ARGV[4]
local key, target = prefix .. 'question:' .. first, prefix .. 'question:' .. other
local places = {redis.call('HGET', key, 'place'), redis.call('HGET', target, 'place')}
if not places[1] or #waiting(key) ~= (#ARGV - 4) / 2 then
  return 2
elseif not places[2] then
  return 0
end
redis.call('ZREM', prefix .. 'new', '')
for i = 5, #ARGV, 2 do
  local waiter = ARGV[i + 1]
  if string.sub(places[2], 1, 6) == 'lines:' and not string.find(waiter, '"late":true}$') then
    waiter = string.sub(waiter, 1, -2) .. ',"late":true}'
  end
  redis.call('HSETNX', target, ARGV[i], waiter)
end
redis.call('ZADD', prefix .. places[2], 'LT', redis.call('ZSCORE', prefix .. places[1], first), other)
forget(prefix, first)
return 1
