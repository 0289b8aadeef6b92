#!lua flags=allow-oom
-- Delivers answers: stored, sent to followers and published, in this order. A failure in one part does not stop the
-- others: each part returns its result or its error.
--
-- Uses: nearly_full
-- Uses: end_job
-- Uses: settle_leader
-- Uses: store_entries
-- Uses: publish_answers
--
-- KEYS: 1 fresh   2 to 6 of store_entries: epochs, touched, outbox, expiries, snapshot runs   7 to 11 of jobs that end:
--       leases:interactive, leases:bulk, tokens:interactive, tokens:bulk, load
-- ARGV: 1, 2 how many arguments of storing, of settling (of each leader: all of settle_leader) come next
--       3... these; then the arguments of publish_answers
-- Returns {result of store_entries or nil, result of settle_leader for each leader, result of publish_answers}.
local clock = redis.call('TIME')
local settling = 3 + ARGV[1]
local publishing = settling + ARGV[2]

local function tried(part, ...)
  local done, reply = pcall(part, ...)
  if done then
    return reply
  end
  return type(reply) == 'table' and reply or redis.error_reply(tostring(reply))
end

local function arguments(from, to)
  local some = {}
  for i = from, to do
    some[#some + 1] = ARGV[i]
  end
  return some
end

local function settle_all()
  local replies = {}
  for i = settling, publishing - 1, 10 do
    replies[#replies + 1] = settle_leader(clock, unpack(ARGV, i, i + 9))
  end
  return replies
end

local stored = settling > 3 and tried(store_entries, {unpack(KEYS, 2, 6)}, arguments(3, settling - 1), clock)
local settled = tried(settle_all)
local published = tried(publish_answers, {KEYS[1], unpack(KEYS, 7)}, arguments(publishing, #ARGV), clock)
return {stored, settled, published}
