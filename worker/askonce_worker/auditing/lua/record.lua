-- Adds what a worker learnt about its hits to ledgers, this hour's sums, labels and records.
-- If Redis is nearly full, only sums are added: no new labels, records or groups.
--
-- Uses: nearly_full
--
-- KEYS: groups, labels, waiting, due, tally
-- ARGV: 1 prefix of all of these   2 number of the worker's tally: it counts once, however often it is sent
--       3 requests of a group after which it has to be decided about, 0 for never   4 seconds for which all is kept
--       5 most groups   6 most that wait for a person   7 how many groups   8 most sums of an hour by their group
--       then of each: its id, its record, requests, how many fields of the ledger, then field, value of each;
--       how many sums, then name, value of each; how many records, then each
--       then how many labels; of each: id of a match that waits, or '', and the label
-- Returns the groups for which there is no place, or 0 if this tally had been counted.
local clock = redis.call('TIME')
local hour = ARGV[1] .. 'seen:' .. math.floor(clock[1] / 3600)
local at = 8
local full, excess = nearly_full(), {}

local function take()
  at = at + 1
  return ARGV[at]
end

local function add_all(key, prefix)
  for _ = 1, take() do
    local field, value = prefix .. take(), take()
    if key then
      redis.call('HINCRBYFLOAT', key, field, value)
    end
  end
end

-- Removing comes first: Redis lets a script that has begun to write go on even when its memory is full.
redis.call('ZREM', KEYS[4], '')
if redis.call('GET', KEYS[5]) == ARGV[2] then
  return 0
end
redis.call('SET', KEYS[5], ARGV[2], 'EX', 86400)
for _ = 1, ARGV[7] do
  local group, record, requests = take(), take(), take()
  local known = redis.call('HEXISTS', KEYS[1], group) == 1
  if not known and redis.call('HLEN', KEYS[1]) >= tonumber(ARGV[5]) then
    excess[#excess + 1] = group
  elseif not known and not full then
    redis.call('HSET', KEYS[1], group, record)
    known = true
  end
  local ledger = ARGV[1] .. 'ledger:' .. group
  add_all(known and ledger, '')
  -- The sums of excess groups are kept without a name.
  local own = known and (redis.call('HEXISTS', hour, group .. '|answered') == 1
    or redis.call('HLEN', hour) < tonumber(ARGV[8]))
  add_all(hour, (own and group or '') .. '|')
  local records = ARGV[1] .. 'records:' .. group
  local count = tonumber(take())
  for _ = 1, count do
    local found = take()
    if known and not full then
      redis.call('XADD', records, 'MAXLEN', '~', 8000, '*', 'record', found)
    end
  end
  if known then
    if count > 0 then
      redis.call('EXPIRE', records, ARGV[4])
    end
    if tonumber(ARGV[3]) > 0 then
      local since = redis.call('HINCRBY', ledger, 'since', requests)
      redis.call('EXPIRE', ledger, ARGV[4])
      redis.call('EXPIRE', ARGV[1] .. 'policy:' .. group, ARGV[4])  -- never gone before its ledger
      if since >= tonumber(ARGV[3]) and not redis.call('ZSCORE', KEYS[4], group) then
        redis.call('ZADD', KEYS[4], clock[1], group)
      end
    end
  end
end
redis.call('EXPIRE', hour, ARGV[4])
for _ = 1, take() do
  local waits, label = take(), take()
  if not full then
    redis.call('XADD', KEYS[2], 'MAXLEN', '~', 10000, '*', 'label', label)
  end
  if waits ~= '' and not full then
    if redis.call('HLEN', KEYS[3]) >= tonumber(ARGV[6]) then
      redis.call('HDEL', KEYS[3], redis.call('HRANDFIELD', KEYS[3]))
    end
    redis.call('HSET', KEYS[3], waits, label)
  end
end
redis.call('EXPIRE', KEYS[2], ARGV[4])
redis.call('EXPIRE', KEYS[3], ARGV[4])
return excess
