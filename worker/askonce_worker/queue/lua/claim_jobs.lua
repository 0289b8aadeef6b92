#!lua flags=allow-oom
-- Claims jobs for a worker: lapsed leases first, then what is due, interactive before bulk.
--
-- Uses: seen
--
-- KEYS: 1 queue:interactive 2 queue:bulk 3 leases:interactive 4 leases:bulk 5 tokens:interactive 6 tokens:bulk
--       7 fair 8 wake 9 workers 10 load 11 alone:interactive 12 alone:bulk 13 doubted
-- ARGV: 1 worker   2 token   3 lease in ms
--       4 maximum lapsed jobs to claim, '' not to look for them   5 the most of these from bulk   6, 7 the same of due
--       jobs and lapsed ones
--       8 'suspects' to claim one job of those that wait apart, and nothing else; else ''
--       9 prefix of the job records   10 when it was sent (ms)
--       11 how many bulk jobs to skip after the first page: an earlier claim has examined them
--       12 the wake-up token that led to this, or ''   13 '' if the worker had a heartbeat just before
--       14... flows to hold back for now: lane (1 or 2), namespace and model, one per line
-- Returns {now in ms, how many due interactive jobs stay behind (as far as was looked), how many bulk jobs,
--          1 if suspects wait (where lapsed jobs were looked for), how many bulk jobs the next claim is to skip,
--          {lane, job, lapses, failures, record or false (it is gone), what `seen` says or none}...}, or {now in ms}: it came too late.
--
-- A token is 'fence lapses failures score': fence '-' while the job waits, score where it goes back to. A job that
-- lapsed twice is a suspect: it waits apart, until a process claims it that runs nothing else.
--
-- A wake-up token is '1', and the names of workers who could not take what it stood for.
local clock = redis.call('TIME')
local now = clock[1] * 1000 + math.floor(clock[2] / 1000)
local stamp, deadline = string.format('%.0f', now), string.format('%.0f', now + ARGV[3])
local UNIX_MS = '1000000000000' -- below: a virtual start time; from here on: the hour of a retry, or of stock arq

-- The worker that sent this may have given up. And if Redis was blocked meanwhile, workers must renew first.
if now - ARGV[10] > math.min(2000, ARGV[3] / 3) then
  return {now}
end

if ARGV[13] ~= '' then
  redis.call('ZREMRANGEBYSCORE', KEYS[9], '-inf', string.format('%.0f', now - 60000))
  redis.call('ZADD', KEYS[9], deadline, ARGV[1])
  redis.call('HDEL', KEYS[13], ARGV[1])
end

-- No worker could renew while Redis was away, so after a restart each has one lease's time to do so. A server without
-- INFO does not tell when it started.
local function lapses_count()
  local facts = redis.pcall('INFO', 'server')
  local up = type(facts) == 'string' and string.match(facts, 'uptime_in_seconds:(%d+)')
  return not up or tonumber(up) * 1000 >= tonumber(ARGV[3])
end

-- Most asks arrive while nothing else waits or runs, and without recent reports of wrong pairs.
local prefix = string.sub(KEYS[9], 1, -1 - string.len('workers'))
local others = {KEYS[2], KEYS[3], KEYS[4], KEYS[5], KEYS[11], KEYS[12]}
local there = redis.call('EXISTS', prefix .. 'wrong', prefix .. 'dropped', unpack(others))
local others_there = there > 0 and redis.call('EXISTS', unpack(others)) or 0
local asks_alone, reports = others_there == 0, there > others_there

local taken, behind, skip = {}, {0, 0}, 0
local room = {tonumber(ARGV[4]) or 0, tonumber(ARGV[5]) or 0}
local looks_for_lapsed = ARGV[4] ~= ''

local held_back = {}
for i = 14, #ARGV do
  held_back[ARGV[i]] = true
end
local PAGES = #ARGV > 13 and 8 or 1
local asks_passed = false

-- The flow of a chunk's first scope, guessed from the beginning of its record. Only fairness depends on it.
local function is_held_back(lane, job)
  if PAGES == 1 then
    return false
  end
  local head = redis.pcall('GETRANGE', ARGV[9] .. job, 0, 1023)
  head = type(head) == 'string' and head or ''
  local namespace = string.match(head, '"namespace":%s*"([^"\\]*)"') or ''
  local model = string.match(head, '"model":%s*"([^"\\]*)"') or ''
  return held_back[lane .. '\n' .. namespace .. '\n' .. model]
end

-- A job that is held back keeps its place until virtual time has passed it, or for a second. Then it moves behind
-- others, which it would hide from the next claims. It stays due, so another worker may take it.
local function let_pass(key, item, virtual)
  asks_passed = asks_passed or item.lane == 1
  local score, latest, place = tonumber(item.score), now - 1000, now
  if score < tonumber(UNIX_MS) then
    latest, place = virtual, virtual + 1024
  end
  if score < latest then
    redis.call('ZADD', key, string.format('%.0f', place), item.job)
    return 1
  end
  return 0
end

local function known(lane, job, score, lapsed, state)
  local lapses, failures, home = string.match(state or '', '^%S+ (%d+) (%d+) (%S+)')
  return {lane = lane, job = job, lapsed = lapsed, lapses = tonumber(lapses or 0) + (lapsed and 1 or 0),
    failures = failures or '0', score = lapsed and (home or '1') or score}
end

local function token_of(item)
  return table.concat({ARGV[2], item.lapses, item.failures, item.score}, ' ')
end

-- Returns true if it is no longer in the set.
local function consider(key, item)
  local lane = item.lane
  if item.lapses >= 2 then
    redis.call('ZREM', key, item.job)
    redis.call('ZADD', KEYS[10 + lane], item.score, item.job)
    redis.call('HSET', KEYS[4 + lane], item.job,
      table.concat({'-', item.lapses, item.failures, item.score}, ' '))
    return true
  elseif room[lane] > 0 then
    taken[#taken + 1] = item
    room[1] = room[1] - 1
    room[2] = math.min(room[1], lane == 2 and room[2] - 1 or room[2])
  else
    behind[lane] = behind[lane] + 1
  end
end

-- Returns jobs held back, how many jobs of this page stay in the set, and whether more may follow.
local function look_at_page(lane, key, low, high, lapsed, after)
  local most = math.max(room[lane] + 1, PAGES > 1 and 64 or 1)
  local found = redis.call('ZRANGEBYSCORE', key, low, high, 'WITHSCORES', 'LIMIT', after, most)
  local passed = {}
  if #found == 0 or (lapsed and not lapses_count()) then
    return passed, 0, false
  end
  local jobs = {}
  for i = 1, #found, 2 do
    jobs[#jobs + 1] = found[i]
  end
  local states = asks_alone and {} or redis.call('HMGET', KEYS[4 + lane], unpack(jobs))
  local stay = #jobs
  for i = 1, #jobs do
    local item = known(lane, jobs[i], found[2 * i], lapsed, states[i])
    if not lapsed and is_held_back(lane, item.job) then
      passed[#passed + 1] = item
    elseif consider(key, item) then
      stay = stay - 1
    end
  end
  return passed, stay, #jobs == most
end

-- Returns how many jobs the next claim may skip behind its first page.
local function look(lane, key, low, high, lapsed, skip)
  local passed, after, seen = {}, 0, 0
  for number = 1, PAGES do
    local page, stay, more = look_at_page(lane, key, low, high, lapsed, after)
    for i = 1, #page do
      passed[#passed + 1] = page[i]
    end
    if #page == 0 or not more or room[lane] <= 0 then
      seen = more and after or 0
      break
    end
    after = after + stay
    seen = after
    after = number == 1 and math.max(after, skip) or after
  end
  local virtual = #passed > 0 and tonumber(redis.call('HGET', KEYS[7], '') or 0)
  for i = 1, #passed do
    seen = seen - let_pass(key, passed[i], virtual)
  end
  return math.max(0, seen)
end

local function take_suspect()
  for lane = 1, 2 do
    local key = KEYS[10 + lane]
    local found = redis.call('ZRANGEBYSCORE', key, '-inf', stamp, 'WITHSCORES', 'LIMIT', 0, 1)
    if #found > 0 then
      local item = known(lane, found[1], found[2], false, redis.call('HGET', KEYS[4 + lane], found[1]))
      item.suspect = true
      taken = {item}
      return
    end
  end
end

local function suspects_wait()
  return redis.call('ZCOUNT', KEYS[11], '-inf', stamp) + redis.call('ZCOUNT', KEYS[12], '-inf', stamp) > 0
end

-- Removed and leased at once, because here nothing else can be stored where the leases are.
local function pop_asks(most)
  local found, leases, tokens = redis.call('ZPOPMIN', KEYS[1], most), {}, {}
  for i = 1, #found, 2 do
    if tonumber(found[i + 1]) > now then
      redis.call('ZADD', KEYS[1], found[i + 1], found[i])
    else
      local item = known(1, found[i], found[i + 1], false)
      item.leased = true
      taken[#taken + 1] = item
      table.insert(leases, deadline)
      table.insert(leases, item.job)
      table.insert(tokens, item.job)
      table.insert(tokens, token_of(item))
    end
  end
  if #taken > 0 then
    redis.call('ZADD', KEYS[3], unpack(leases))
    redis.call('HSET', KEYS[5], unpack(tokens))
  end
  if #taken == most then
    behind[1] = redis.call('ZCOUNT', KEYS[1], '-inf', stamp)
  end
end

if ARGV[8] == 'suspects' then
  take_suspect()
elseif asks_alone and PAGES == 1 then
  pop_asks(tonumber(ARGV[6]))
elseif asks_alone then
  room = {tonumber(ARGV[6]), tonumber(ARGV[7])}
  look(1, KEYS[1], '-inf', stamp, false, 0)
else
  if looks_for_lapsed then
    look(1, KEYS[3], '-inf', '(' .. stamp, true, 0)
    look(2, KEYS[4], '-inf', '(' .. stamp, true, 0)
  end
  room = {math.max(0, ARGV[6] - #taken), math.max(0, ARGV[7] - #taken)}
  look(1, KEYS[1], '-inf', stamp, false, 0)
  if redis.call('EXISTS', KEYS[2]) == 1 then
    look(2, KEYS[2], UNIX_MS, stamp, false, 0)
    skip = look(2, KEYS[2], '-inf', '(' .. UNIX_MS, false, tonumber(ARGV[11]))
  end
end

-- A claim that leaves jobs behind wakes another worker. An ask that it could not take is passed on to workers that have
-- not seen it yet. (Bulk jobs are not: with a backlog, every claim of every full worker would wake all others.)
local function wake_another()
  local token
  if behind[1] + behind[2] > 0 and #taken > 0 then
    token = '1'
  elseif ARGV[12] ~= '' and (behind[1] > 0 or asks_passed) then
    token = ARGV[12] .. ' ' .. ARGV[1]
  end
  if token and redis.call('LLEN', KEYS[8]) < 64 then
    redis.call('LPUSH', KEYS[8], token)
  end
end

local reply = {now, behind[1], behind[2], looks_for_lapsed and not asks_alone and suspects_wait() and 1 or 0, PAGES > 1 and skip or 0}
if #taken == 0 then
  wake_another()
  -- Nothing waits or runs, so any remaining load is from jobs that expired unseen.
  for lane = 1, 2 do
    if behind[lane] == 0 and redis.call('EXISTS', KEYS[lane], KEYS[2 + lane], KEYS[10 + lane]) == 0 then
      redis.call('HDEL', KEYS[10], lane == 1 and 'interactive' or 'bulk')
    end
  end
  return reply
end

local records = {}
for i = 1, #taken do
  records[i] = ARGV[9] .. taken[i].job
end
records = redis.call('MGET', unpack(records))

-- How many questions a missing job counts for in the load: a chunk is named HEX-COUNT, a part of it HEX-COUNT.ID.
local function questions_of(job)
  return string.match(job, '^%x+%-%d+%.') and '1' or string.match(job, '^%x+%-(%d+)$')
end

-- For the first few asks: the data that answering begins with.
local ASKS = 16
local function seen_with(item, record)
  if item.lane == 1 and #taken <= ASKS and record and string.match(item.job, '^%x+%-1$') then
    return seen(prefix, record, reports)
  end
end

local waiting, gone, leases, tokens = {{}, {}}, {{}, {}}, {{}, {}}, {{}, {}}
local virtual = 0
for i, item in ipairs(taken) do
  local lane = item.lane
  if item.suspect then
    redis.call('ZREM', KEYS[10 + lane], item.job)
  elseif not item.lapsed and not item.leased then
    table.insert(waiting[lane], item.job)
    if lane == 2 and tonumber(item.score) < tonumber(UNIX_MS) then
      virtual = math.max(virtual, tonumber(item.score))
    end
  end
  if records[i] and not item.leased then
    table.insert(leases[lane], deadline)
    table.insert(leases[lane], item.job)
    table.insert(tokens[lane], item.job)
    table.insert(tokens[lane], token_of(item))
  elseif not records[i] then
    table.insert(gone[lane], item.job)
    if questions_of(item.job) then
      redis.call('HINCRBY', KEYS[10], lane == 1 and 'interactive' or 'bulk', '-' .. questions_of(item.job))
    end
  end
  reply[#reply + 1] = {lane, item.job, item.lapses, tonumber(item.failures), records[i], seen_with(item, records[i])}
end
for lane = 1, 2 do
  if #waiting[lane] > 0 then
    redis.call('ZREM', KEYS[lane], unpack(waiting[lane]))
  end
  if #leases[lane] > 0 then
    redis.call('ZADD', KEYS[2 + lane], unpack(leases[lane]))
    redis.call('HSET', KEYS[4 + lane], unpack(tokens[lane]))
  end
  if #gone[lane] > 0 then
    redis.call('ZREM', KEYS[2 + lane], unpack(gone[lane]))
    redis.call('HDEL', KEYS[4 + lane], unpack(gone[lane]))
  end
end

-- Virtual time is the start of the last job claimed. A namespace that would have finished before it starts again.
if virtual > 0 and virtual > tonumber(redis.call('HGET', KEYS[7], '') or 0) then
  redis.call('HSET', KEYS[7], '', string.format('%.0f', virtual))
  if redis.call('HLEN', KEYS[7]) > 64 then
    local some = redis.call('HRANDFIELD', KEYS[7], 16, 'WITHVALUES')
    for i = 1, #some, 2 do
      if some[i] ~= '' and tonumber(some[i + 1]) <= virtual then
        redis.call('HDEL', KEYS[7], some[i])
      end
    end
  end
end
wake_another()
return reply
