-- Shared by deliver.lua: loaded in front of it, behind end_job.lua.
-- Publishes answers: only over their pending markers, so that a result never changes; notifies the listeners; leaves
-- notes for count_fresh.lua; ends the jobs whose last answers these are.
--
-- keys: fresh, leases:interactive, leases:bulk, tokens:interactive, tokens:bulk, load
-- args: 1 prefix of the result keys (without namespace)   2 prefix of the listeners' streams
--       3 lifetime of a result in ms   4 name of the publisher's tally, or ''   5 the tally
--       6, 7 prefixes of the job records, of arq's counts of tries   8 how many jobs end
--       then of each answer: namespace:job id, fingerprint ('' for any), rest of the result record after the fingerprint,
--       counter ('' for none), fingerprint of the entry that was hit or '', tokens in and out that it saved
--       and of each job that ends: lane (1 or 2), job, token, its questions
-- Returns for each: 1 published, 0 no longer pending; then for each job: 1 ended, 0 another worker has the lease.
local function publish_answers(keys, args, clock)
  local header = string.len('{"fingerprint":"')
  local after = header + 43 + string.len('",')
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

  -- The rest of a marker after the fingerprint is the same for all questions of a chunk, so it is parsed once.
  local function read(tail)
    local since, listeners = string.match(tail, '"at":(%d+)'), {}
    for listener in string.gmatch(string.match(tail, '"listeners":%[(.*)%]') or '', '"([^"]+)"') do
      listeners[#listeners + 1] = listener
    end
    -- Latencies are counted in buckets that grow by a fifth, from the marker's time on (microseconds).
    local bucket = since and math.floor(math.log(math.max(1, micros - since)) / math.log(1.2))
    local lane = string.match(tail, '"job":"(%l+):')
    return {bucket = bucket, listeners = listeners, at_once = lane == 'interactive'}
  end

  -- A small answer goes into the stream itself; otherwise its id does, together with others. Such a stream lives for a
  -- minute, even if its listener is gone, and is extended every sixteenth second, not each time. If one expires between
  -- two reads, its answers are asked for like any late ones.
  local function tell(listener, id, record)
    if not record or string.sub(listener, 1, 1) ~= '+' then
      told[listener] = told[listener] or {}
      table.insert(told[listener], id)
      return
    end
    local stream, oldest = args[2] .. listener, string.format('%.0f', clock[1] * 1000 - 60000)
    local added = redis.call('XADD', stream, 'NOMKSTREAM', 'MINID', '~', oldest, '*', 'ids', id, 'record', record)
    if not added then
      redis.call('XADD', stream, '*', 'ids', id, 'record', record)
    end
    if not added or clock[1] % 16 == 0 then
      redis.call('EXPIRE', stream, 60)
    end
  end

  -- By counter: the number of answers, their buckets, and what they saved.
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

  local first = 9
  local last = #args - 4 * tonumber(args[8])
  local names, found = {}, {}
  for i = first, last, 7 do
    names[#names + 1] = args[1] .. args[i]
  end
  for at = 1, #names, 4000 do
    local some = redis.call('MGET', unpack(names, at, math.min(at + 3999, #names)))
    for i = 1, #some do
      found[names[at + i - 1]] = some[i]
    end
  end
  for i = first, last, 7 do
    local key = names[#replies + 1]
    local marker = found[key]
    local pending = marker and string.sub(marker, after + 1, after + 10) == '"deadline"'
    if pending and (args[i + 1] == '' or string.sub(marker, header + 1, header + 43) == args[i + 1]) then
      local record = string.sub(marker, 1, after) .. args[i + 2]
      redis.call('SET', key, record, 'PX', args[3])
      noted = noted or args[i]
      found[key] = false -- pending no more, should it be here twice
      local tail = string.sub(marker, after + 1)
      local facts = tails[tail] or read(tail)
      tails[tail] = facts
      local at_once = facts.at_once and #record <= SMALL
      for _, listener in ipairs(facts.listeners) do
        tell(listener, args[i], at_once and record)
      end
      if args[i + 3] ~= '' then
        account(args[i + 3], facts.bucket, args[i + 5], args[i + 6])
      end
      if args[i + 4] ~= '' then
        touched[#touched + 1] = args[i + 4]
      end
      replies[#replies + 1] = 1
    else
      replies[#replies + 1] = 0
    end
  end
  for listener, ids in pairs(told) do
    if #ids > 0 then
      redis.call('XADD', args[2] .. listener, 'MAXLEN', '~', 10000, '*', 'ids', table.concat(ids, ' '))
      redis.call('EXPIRE', args[2] .. listener, 3600)
    end
  end
  for counter, sum in pairs(sums) do
    count_all(counter, sum)
  end
  -- The name includes the time: once its result has expired, a job may be published again before a count.
  local notes = args[4] ~= '' and {args[4], args[5]} or {}
  if next(counts) or #touched > 0 then
    notes[#notes + 1] = table.concat({'answers', noted, clock[1], clock[2]}, ' ')
    notes[#notes + 1] = cjson.encode({counts = counts, touched = touched})
  end
  if #notes > 0 then
    redis.call('HSET', keys[1], unpack(notes))
  end
  -- Last, so that an earlier error leaves the jobs unchanged.
  for i = last + 1, #args, 4 do
    replies[#replies + 1] = end_job({unpack(keys, 2)}, tonumber(args[i]), args[i + 1], args[i + 2], args[i + 3],
      {args[6], args[7]})
  end
  return replies
end
