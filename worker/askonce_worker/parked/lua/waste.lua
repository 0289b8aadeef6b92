-- Counts the cost of lines with unusable replies: once for each question and batch, however often they are read.
--
-- Uses: fenced
-- Uses: counted
-- Uses: askonce_worker.providers.budget_now
-- Uses: askonce_worker.providers.add_spent
-- Uses: charged
--
-- KEYS: lock, totals
-- ARGV: 1 prefix of the keys   2 token   3 prefix of the hourly counters   4 batch
--       5... of each: id, counters (`name count` of each, joined by line feeds), counters of the batch alike, what it
--       was billed, who pays (both as in charged.lua)
-- Returns the namespaces that keep_spent names, or -1 if another worker has the lock.
if not is_holder(KEYS[1], ARGV[2]) then
  return -1
end
local prefix, counts, own, spent = ARGV[1], {}, {}, {}
redis.call('ZREM', prefix .. 'new', '')
for i = 5, #ARGV, 5 do
  local key = prefix .. 'question:' .. ARGV[i]
  if redis.call('EXISTS', key) == 1 and redis.call('HGET', key, 'wasted') ~= ARGV[4] then
    redis.call('HSET', key, 'wasted', ARGV[4])
    add(counts, ARGV[i + 1])
    add(own, ARGV[i + 2])
    charge(prefix, ARGV[i], ARGV[i + 3], ARGV[i + 4], spent)
  end
end
keep_sums(prefix, KEYS[2], ARGV[3], ARGV[4], counts, own)
return keep_spent(prefix, spent)
