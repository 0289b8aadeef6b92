-- Puts a decision in force, and compacts the ledger it was based on. What workers added meanwhile stays.
--
-- KEYS: policy, ledger, due
-- ARGV: 1 the policy that the decision was made after, '' for none   2 the new one   3 group
--       4 requests that it has seen since the one before   5 seconds for which all is kept
--       6 requests from one decision to the next
--       7... field of the ledger, what is to be added to it, of each that changes
-- Returns 1, or 0 if another policy was in force by then: nothing is done.
if (redis.call('GET', KEYS[1]) or '') ~= ARGV[1] then
  return 0
end
redis.call('ZREM', KEYS[3], ARGV[3])
redis.call('SET', KEYS[1], ARGV[2], 'EX', ARGV[5])
if redis.call('HINCRBY', KEYS[2], 'since', -ARGV[4]) >= tonumber(ARGV[6]) then
  redis.call('ZADD', KEYS[3], redis.call('TIME')[1], ARGV[3])  -- so many came meanwhile that it is due again
end
for i = 7, #ARGV, 2 do
  local left = redis.call('HINCRBYFLOAT', KEYS[2], ARGV[i], ARGV[i + 1])
  if math.abs(left) < 0.000001 then
    redis.call('HDEL', KEYS[2], ARGV[i])
  end
end
redis.call('EXPIRE', KEYS[2], ARGV[5])
return 1
