-- Replaces the reservations of calls by their cost. Idempotent.
--
-- Uses: budget_now
--
-- KEYS: budgets, what is held, what has lapsed
-- ARGV: 1 namespace   2 period   3 limit in billionths   then of each call: its name, what was set aside, what it cost
-- Returns {money spent, 1 if it is the first to see 80 % spent}.
local spent, held, _, keep = budget_now(KEYS, ARGV[1], ARGV[2], tonumber(ARGV[3]))
for i = 4, #ARGV, 3 do
  local aside, cost = tonumber(ARGV[i + 1]), tonumber(ARGV[i + 2])
  local member = ARGV[i] .. ':' .. string.format('%.0f', aside)
  if redis.call('ZREM', KEYS[2], member) == 1 then
    held, spent = held - aside, spent + cost
  elseif redis.call('ZREM', KEYS[3], member) == 1 then
    spent = spent - aside + cost -- it had lapsed, and counted as spent
  end
end
local nearly = keep(spent, held)
return {string.format('%.0f', spent), nearly}
