-- Publishes answers: over their pending markers only, so that a result never changes; tells the listeners; counts;
-- moves the idle clock of the entries that were hit.
--
-- KEYS: totals, touched, tally
-- ARGV: 1 prefix of the result keys (without namespace)   2 prefix of the listeners' streams
--       3 prefix of the hourly counters   4 lifetime of a result in ms
--       5 number of the publisher's tally: it counts once, however often it is sent
--       6 how many counters are in it   then counter, count of each
--       then of each: namespace:job id, fingerprint ('' for any), rest of the result record after the fingerprint,
--       counter ('' for none), fingerprint of the entry that was hit or '', tokens in and out that it saved
-- Returns for each: 1 published, 0 not pending any more.
local header = string.len('{"fingerprint":"')
local after = header + 43 + string.len('",')
local clock = redis.call('TIME')
local told, counts, touched, replies = {}, {}, {}, {}
local micros = clock[1] * 1000000 + clock[2]
local WAITED = {exact = 'hit:', semantic = 'hit:', inflight = 'joined:', llm = 'miss:'}

local function count(field, by)
  counts[field] = (counts[field] or 0) + by
end

-- Latencies are counted in buckets that grow by a fifth, from the marker's time on (microseconds).
local function account(counter, marker, tokens_in, tokens_out)
  local bar = string.find(counter, '|', 1, true)
  local of = string.sub(counter, bar)
  local kind = WAITED[string.sub(counter, 1, bar - 1)]
  local since = string.match(marker, '"at":(%d+)', after)
  count(counter, 1)
  if kind and since then
    count(kind .. math.floor(math.log(math.max(1, micros - since)) / math.log(1.2)) .. of, 1)
  end
  if tokens_in ~= '0' then
    count('saved_in' .. of, tokens_in)
  end
  if tokens_out ~= '0' then
    count('saved_out' .. of, tokens_out)
  end
end

-- Removing comes first: Redis lets a script that has begun to write go on even when its memory is full.
redis.call('ZREM', KEYS[2], '')
local first = 7 + 2 * ARGV[6]
if first > 7 and redis.call('GET', KEYS[3]) ~= ARGV[5] then
  redis.call('SET', KEYS[3], ARGV[5], 'EX', 86400)
  for i = 7, first - 1, 2 do
    count(ARGV[i], ARGV[i + 1])
  end
end
for i = first, #ARGV, 7 do
  local key = ARGV[1] .. ARGV[i]
  local marker = redis.call('GET', key)
  local pending = marker and string.sub(marker, after + 1, after + 10) == '"deadline"'
  if pending and (ARGV[i + 1] == '' or string.sub(marker, header + 1, header + 43) == ARGV[i + 1]) then
    redis.call('SET', key, string.sub(marker, 1, after) .. ARGV[i + 2], 'PX', ARGV[4])
    for listener in string.gmatch(string.match(marker, '"listeners":%[(.*)%]', after) or '', '"([^"]+)"') do
      local ids = told[listener] or {}
      ids[#ids + 1] = ARGV[i]
      told[listener] = ids
    end
    if ARGV[i + 3] ~= '' then
      account(ARGV[i + 3], marker, ARGV[i + 5], ARGV[i + 6])
    end
    if ARGV[i + 4] ~= '' then
      touched[#touched + 1] = clock[1]
      touched[#touched + 1] = ARGV[i + 4]
    end
    replies[#replies + 1] = 1
  else
    replies[#replies + 1] = 0
  end
end
for listener, ids in pairs(told) do
  redis.call('XADD', ARGV[2] .. listener, 'MAXLEN', '~', 10000, '*', 'ids', table.concat(ids, ' '))
  redis.call('EXPIRE', ARGV[2] .. listener, 3600)
end
for at = 1, #touched, 4000 do
  redis.call('ZADD', KEYS[2], 'XX', unpack(touched, at, math.min(at + 3999, #touched)))
end
if next(counts) then
  local hour = ARGV[3] .. math.floor(clock[1] / 3600)
  for field, count in pairs(counts) do
    redis.call('HINCRBY', KEYS[1], field, count)
    redis.call('HINCRBY', hour, field, count)
  end
  redis.call('EXPIRE', hour, 3456000)
end
return replies
