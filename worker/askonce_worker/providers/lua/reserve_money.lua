-- Reserves what a call may cost from the budget of its namespace. Idempotent.
--
-- Uses: budget_now
--
-- KEYS: budgets, what is held, what has lapsed, workers
-- ARGV: 1 namespace   2 period   3 limit in billionths   4 a name for the call, `worker/…`   5 what it may cost, in
--       billionths   6 ms after which it lapses
-- Returns {'taken', 'wait' (others hold the rest), 'batches' (they hold it) or 'over', money spent, 1 if it is the first to
-- see 80 % spent}.
local limit, nano = tonumber(ARGV[3]), tonumber(ARGV[5])
local spent, held, ends, keep = budget_now(KEYS, ARGV[1], ARGV[2], limit)
local clock = redis.call('TIME')
local now_ms = math.floor(clock[1] * 1000 + clock[2] / 1000)
local member = ARGV[4] .. ':' .. string.format('%.0f', nano)
if redis.call('ZSCORE', KEYS[2], member) then -- the reply was lost
  return {'taken', string.format('%.0f', spent), keep(spent, held)}
end

-- Others only wait for money held by a live worker.
if spent + nano <= limit and spent + held + nano > limit then
  local alive = {}
  for _, other in ipairs(redis.call('ZRANGE', KEYS[2], 0, -1)) do
    local worker = string.match(other, '^(.*)/[^/]*:%d+$')
    if worker and alive[worker] == nil then
      alive[worker] = tonumber(redis.call('ZSCORE', KEYS[4], worker) or 0) > now_ms
    end
    if worker and not alive[worker] then
      local aside = lapse(KEYS, other, ends, tonumber(clock[1]))
      held, spent = held - aside, spent + aside
    end
  end
end

local verdict = 'taken'
if spent + nano > limit then
  verdict = 'over'
elseif spent + held + nano > limit then
  local by_calls = 0
  for _, other in ipairs(redis.call('ZRANGE', KEYS[2], 0, -1)) do
    by_calls = by_calls + tonumber(string.match(other, ':(%d+)$') or 0)
  end
  verdict = spent + held - by_calls + nano > limit and 'batches' or 'wait'
else
  held = held + nano
  redis.call('ZADD', KEYS[2], now_ms + ARGV[6], member)
end
local nearly = keep(spent, held)
return {verdict, string.format('%.0f', spent), nearly}
