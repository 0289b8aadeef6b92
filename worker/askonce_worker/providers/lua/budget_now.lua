-- Shared by scripts on the money of a namespace: loaded in front of them.

-- A number for the month of a day (Unix days): H. Hinnant, "chrono-Compatible Low-Level Date Algorithms".
local function month_of(day)
  local of_era = (day + 719468) % 146097
  local year = math.floor((of_era - math.floor(of_era / 1460) + math.floor(of_era / 36524)
    - math.floor(of_era / 146096)) / 365)
  local of_year = of_era - (365 * year + math.floor(year / 4) - math.floor(year / 100))
  return math.floor((5 * of_year + 2) / 153)
end

-- When the day or month of UTC ends (Unix s).
local function end_of(period, now)
  local today = math.floor(now / 86400)
  local next_day = today + 1
  while period == 'month' and month_of(next_day) == month_of(today) do
    next_day = next_day + 1
  end
  return next_day * 86400
end

-- A call is no longer held, and counts as spent, until it is settled or the day or month ends. Returns what it held.
-- member: `call:billionths`   ends: of the day or month (Unix s)
local function lapse(keys, member, ends, now)
  redis.call('ZREM', keys[2], member)
  redis.call('ZADD', keys[3], now, member)
  redis.call('EXPIRE', keys[3], ends - now)
  return tonumber(string.match(member, ':(%d+)$') or 0)
end

-- keys: 1 budgets 2 what is held 3 what has lapsed   limit: billionths
-- A killed worker's reservations are no longer held, and count as spent: its calls may have been paid for.
-- Returns the money that is spent and held, in billionths, when the day or month ends (Unix s), and a function that
-- keeps the two.
local function budget_now(keys, namespace, period, limit)
  local clock, of = redis.call('TIME'), namespace .. '|'
  local now = tonumber(clock[1])
  -- Removing comes first: Redis lets a script that has begun to write go on even when its memory is full.
  redis.call('HDEL', keys[1], '')
  local known = redis.call('HMGET', keys[1], of .. 'spent', of .. 'held', of .. 'ends', of .. 'period', of .. 'warned')
  local spent, held, ends = tonumber(known[1] or 0), tonumber(known[2] or 0), tonumber(known[3] or 0)
  local warned = known[5] == '1'
  if now >= ends then
    spent, warned = 0, false
    redis.call('DEL', keys[3]) -- it counted for what has ended
  end
  if now >= ends or known[4] ~= period then
    ends = end_of(period, now)
  end
  for _, member in ipairs(redis.call('ZRANGEBYSCORE', keys[2], '-inf', now * 1000 + math.floor(clock[2] / 1000))) do
    local nano = lapse(keys, member, ends, now)
    held, spent = held - nano, spent + nano
  end

  local function keep(new_spent, new_held)
    local nearly = new_spent >= 0.8 * limit and not warned
    redis.call('HSET', keys[1], of .. 'spent', string.format('%.0f', math.max(0, new_spent)),
      of .. 'held', string.format('%.0f', math.max(0, new_held)), of .. 'ends', ends, of .. 'period', period,
      of .. 'limit', string.format('%.0f', limit), of .. 'warned', (warned or nearly) and '1' or '0')
    return nearly and 1 or 0
  end
  return spent, held, ends, keep
end
