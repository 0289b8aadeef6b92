#!lua flags=allow-oom
-- Publishes answers: over their pending markers only, so that a result never changes; tells the listeners; notes what is
-- to be counted (count_fresh.lua); ends the jobs whose last answers these are.
--
-- Uses: end_job
--
-- KEYS: fresh; to end jobs, too: leases:interactive, leases:bulk, tokens:interactive, tokens:bulk, load
-- ARGV: 1 prefix of the result keys (without namespace)   2 prefix of the listeners' streams
--       3 lifetime of a result in ms   4 name of the publisher's tally, or ''   5 the tally
--       then of each: namespace:job id, fingerprint ('' for any), rest of the result record after the fingerprint,
--       counter ('' for none), fingerprint of the entry that was hit or '', tokens in and out that it saved
--       to end jobs: of each lane (1 or 2), job, token, its questions; then the prefixes of job records and of arq's
--       counts of tries, and how many jobs
-- Returns for each: 1 published, 0 not pending any more; then for each job: 1 ended, 0 another worker has the lease.
local header = string.len('{"fingerprint":"')
local after = header + 43 + string.len('",')
local clock = redis.call('TIME')
local told, tails, sums, counts, touched, replies = {}, {}, {}, {}, {}, {}
local noted
local micros = clock[1] * 1000000 + clock[2]
local SMALL = 4096 -- bytes of an answer that a listener called `+...` gets at once, if it waits in the interactive lane
local WAITED = {exact = 'hit:', semantic = 'hit:', inflight = 'joined:', llm = 'miss:'}

local function count(field, by)
  if by ~= 0 then
    counts[field] = (counts[field] or 0) + by
  end
end

-- What stands in a marker after the fingerprint is the same for all questions of a chunk: it is read once.
local function read(tail)
  local since, listeners = string.match(tail, '"at":(%d+)'), {}
  for listener in string.gmatch(string.match(tail, '"listeners":%[(.*)%]') or '', '"([^"]+)"') do
    told[listener] = told[listener] or {at_once = string.sub(listener, 1, 1) == '+'}
    listeners[#listeners + 1] = told[listener]
  end
  -- Latencies are counted in buckets that grow by a fifth, from the marker's time on (microseconds).
  local bucket = since and math.floor(math.log(math.max(1, micros - since)) / math.log(1.2))
  local lane = string.match(tail, '"job":"(%l+):')
  return {bucket = bucket, listeners = listeners, at_once = lane == 'interactive'}
end

-- By counter: how many answers, in which buckets, and what they saved.
local function account(counter, bucket, tokens_in, tokens_out)
  local sum = sums[counter]
  if not sum then
    sum = {answers = 0, buckets = {}, tokens_in = 0, tokens_out = 0}
    sums[counter] = sum
  end
  sum.answers = sum.answers + 1
  sum.tokens_in = sum.tokens_in + tokens_in
  sum.tokens_out = sum.tokens_out + tokens_out
  if bucket then
    sum.buckets[bucket] = (sum.buckets[bucket] or 0) + 1
  end
end

local function count_all(counter, sum)
  local bar = string.find(counter, '|', 1, true)
  local of, kind = string.sub(counter, bar), WAITED[string.sub(counter, 1, bar - 1)]
  count(counter, sum.answers)
  for bucket, answers in pairs(kind and sum.buckets or {}) do
    count(kind .. bucket .. of, answers)
  end
  count('saved_in' .. of, sum.tokens_in)
  count('saved_out' .. of, sum.tokens_out)
end

local first = 6
local jobs = #KEYS > 1 and tonumber(ARGV[#ARGV]) or 0
local last = jobs > 0 and #ARGV - 4 * jobs - 3 or #ARGV
local keys, found = {}, {}
for i = first, last, 7 do
  keys[#keys + 1] = ARGV[1] .. ARGV[i]
end
for at = 1, #keys, 4000 do
  local some = redis.call('MGET', unpack(keys, at, math.min(at + 3999, #keys)))
  for i = 1, #some do
    found[keys[at + i - 1]] = some[i]
  end
end
for i = first, last, 7 do
  local key = keys[#replies + 1]
  local marker = found[key]
  local pending = marker and string.sub(marker, after + 1, after + 10) == '"deadline"'
  if pending and (ARGV[i + 1] == '' or string.sub(marker, header + 1, header + 43) == ARGV[i + 1]) then
    local record = string.sub(marker, 1, after) .. ARGV[i + 2]
    redis.call('SET', key, record, 'PX', ARGV[3])
    noted = noted or ARGV[i]
    found[key] = false -- pending no more, should it be here twice
    local tail = string.sub(marker, after + 1)
    local facts = tails[tail] or read(tail)
    tails[tail] = facts
    for _, ids in ipairs(facts.listeners) do
      ids[#ids + 1] = ARGV[i]
      ids.record = facts.at_once and ids.at_once and #record <= SMALL and record
    end
    if ARGV[i + 3] ~= '' then
      account(ARGV[i + 3], facts.bucket, ARGV[i + 5], ARGV[i + 6])
    end
    if ARGV[i + 4] ~= '' then
      touched[#touched + 1] = ARGV[i + 4]
    end
    replies[#replies + 1] = 1
  else
    replies[#replies + 1] = 0
  end
end
for listener, ids in pairs(told) do
  local stream = ARGV[2] .. listener
  if #ids == 1 and ids.record then
    -- Answers are kept for a minute here, also of a listener that is gone: one that is away for longer asks for them.
    local oldest = string.format('%.0f', clock[1] * 1000 - 60000)
    redis.call('XADD', stream, 'MINID', '~', oldest, '*', 'ids', ids[1], 'record', ids.record)
    redis.call('EXPIRE', stream, 60)
  else
    redis.call('XADD', stream, 'MAXLEN', '~', 10000, '*', 'ids', table.concat(ids, ' '))
    redis.call('EXPIRE', stream, 3600)
  end
end
for counter, sum in pairs(sums) do
  count_all(counter, sum)
end
-- Named by the time too: once its result is gone, a job may be published again before anybody has counted.
local notes = ARGV[4] ~= '' and {ARGV[4], ARGV[5]} or {}
if next(counts) or #touched > 0 then
  notes[#notes + 1] = table.concat({'answers', noted, clock[1], clock[2]}, ' ')
  notes[#notes + 1] = cjson.encode({counts = counts, touched = touched})
end
if #notes > 0 then
  redis.call('HSET', KEYS[1], unpack(notes))
end
-- At the end: an error before leaves the jobs as they are.
for i = last + 1, #ARGV - 3, 4 do
  replies[#replies + 1] = end_job({unpack(KEYS, 2)}, tonumber(ARGV[i]), ARGV[i + 1], ARGV[i + 2], ARGV[i + 3],
    {ARGV[#ARGV - 2], ARGV[#ARGV - 1]})
end
return replies
