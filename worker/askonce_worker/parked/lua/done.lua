-- Forgets parked questions whose answers are published, and counts their cost once, in the same step.
--
-- Uses: fenced
-- Uses: counted
-- Uses: askonce_worker.providers.budget_now
-- Uses: askonce_worker.providers.add_spent
-- Uses: charged
--
-- KEYS: lock, totals
-- ARGV: 1 prefix of the keys   2 token   3 prefix of the hourly counters   4 batch, or ''
--       5... of each: id, fields of those who have their answer (joined by line feeds), counters (`name count` of each,
--       joined by line feeds), counters of the batch alike, what it was billed, who pays (both as in charged.lua)
-- Returns the namespaces that keep_spent names, and for each: 1 forgotten, 2 there is another waiter: look again, 0
-- unknown; or {-1} if another worker has the lock.
if not is_holder(KEYS[1], ARGV[2]) then
  return {-1}
end
local prefix, counts, own, spent, replies = ARGV[1], {}, {}, {}, {''}

redis.call('ZREM', prefix .. 'new', '')
for i = 5, #ARGV, 6 do
  local key = prefix .. 'question:' .. ARGV[i]
  local reply = redis.call('EXISTS', key)
  if reply == 1 then
    for field in string.gmatch(ARGV[i + 1], '[^\n]+') do
      redis.call('HDEL', key, field)
    end
    if #waiting(key) > 0 then
      rescore(prefix, ARGV[i])
      reply = 2
    else
      charge(prefix, ARGV[i], ARGV[i + 4], ARGV[i + 5], spent)
      forget(prefix, ARGV[i])
      add(counts, ARGV[i + 2])
      add(own, ARGV[i + 3])
    end
  end
  replies[#replies + 1] = reply
end
keep_sums(prefix, KEYS[2], ARGV[3], ARGV[4], counts, own)
replies[1] = keep_spent(prefix, spent)
return replies
