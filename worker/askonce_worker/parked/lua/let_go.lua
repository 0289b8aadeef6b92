-- Removes some waiters of a parked question: they go to the queue, or are dropped. The question stays in its place.
--
-- Uses: fenced
-- Uses: requeued
--
-- KEYS: lock, queue:bulk, wake, fair, load
-- ARGV: 1 prefix of the keys   2 token   3 prefix of job records   4 function   5 lifetime of a result in ms
--       6 prefix of the result keys (without namespace)   7 id   8 their fields, joined by line feeds
--       9... of each job as in requeued.lua
-- Returns 1, 0 if it is gone, -1 if another worker has the lock.
if not is_holder(KEYS[1], ARGV[2]) then
  return -1
end
local prefix, id, jobs = ARGV[1], ARGV[7], {}
local key = prefix .. 'question:' .. id
if redis.call('EXISTS', key) == 0 then
  return 0
end
for i = 9, #ARGV do
  jobs[#jobs + 1] = ARGV[i]
end
redis.call('ZREM', prefix .. 'new', '')
requeue({KEYS[2], KEYS[3], KEYS[4], KEYS[5]}, {ARGV[3], ARGV[4], ARGV[5], ARGV[6]}, jobs)
for field in string.gmatch(ARGV[8], '[^\n]+') do
  redis.call('HDEL', key, field)
end
rescore(prefix, id)
return 1
