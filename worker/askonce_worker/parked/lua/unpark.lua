-- Returns all waiters of these parked questions to the queue, and forgets the questions.
--
-- Uses: fenced
-- Uses: requeued
--
-- KEYS: lock, queue:bulk, wake, fair, load
-- ARGV: 1 prefix of the keys   2 token   3 prefix of job records   4 function   5 lifetime of a result in ms
--       6 prefix of the result keys (without namespace)   7 how many questions   8... of each: id, how many wait for it
--       then of each job as in requeued.lua
-- Returns of each question 1, or 0 if somebody more waits or it is gone: then none goes. {-1} where another worker has
-- the lock.
if not is_holder(KEYS[1], ARGV[2]) then
  return {-1}
end
local prefix, replies, all, jobs = ARGV[1], {}, true, {}
local last = 7 + 2 * ARGV[7]
for i = 8, last, 2 do
  local key = prefix .. 'question:' .. ARGV[i]
  local stays = redis.call('EXISTS', key) == 0 or #waiting(key) ~= tonumber(ARGV[i + 1])
  replies[#replies + 1] = stays and 0 or 1
  all = all and not stays
end
if not all then
  return replies
end
for i = last + 1, #ARGV do
  jobs[#jobs + 1] = ARGV[i]
end
redis.call('ZREM', prefix .. 'new', '')
requeue({KEYS[2], KEYS[3], KEYS[4], KEYS[5]}, {ARGV[3], ARGV[4], ARGV[5], ARGV[6]}, jobs)
for i = 8, last, 2 do
  forget(prefix, ARGV[i])
end
return replies
