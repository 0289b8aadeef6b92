-- Reserves what lines of a batch may cost from the budget of their namespace. Idempotent.
-- The reservation belongs to the question: whoever moves it out of its batch, or forgets it, returns it (fenced.lua).
-- A fifth of what is left is kept for questions outside batches, unless nothing is reserved.
--
-- Uses: fenced
-- Uses: askonce_worker.providers.budget_now
--
-- KEYS: lock, budgets, what is held, what has lapsed
-- ARGV: 1 prefix of the keys   2 token   3 namespace   4 period   5 limit in billionths
--       6... of each: id, what it may cost in billionths
-- Returns {money spent, 1 if it is the first to see 80 % spent, of each `taken`, `wait` (others hold the rest) or
-- `over`}; or {-1} if another worker has the lock.
if not is_holder(KEYS[1], ARGV[2]) then
  return {-1}
end
local prefix, namespace, limit = ARGV[1], ARGV[3], tonumber(ARGV[5])
local spent, held, _, keep = budget_now({KEYS[2], KEYS[3], KEYS[4]}, namespace, ARGV[4], limit)
local verdicts = {}
for i = 6, #ARGV, 2 do
  local key, nano, verdict = prefix .. 'question:' .. ARGV[i], tonumber(ARGV[i + 1]), 'taken'
  if redis.call('HEXISTS', key, 'aside') == 0 then
    if spent + nano > limit then
      verdict = 'over'
    elseif held > 0 and 5 * (held + nano) > 4 * (limit - spent) then
      verdict = 'wait'
    elseif redis.call('EXISTS', key) == 1 then
      redis.call('HSET', key, 'aside', ARGV[i + 1], 'payer', namespace)
      held = held + nano
    end
  end
  verdicts[#verdicts + 1] = verdict
end
return {string.format('%.0f', spent), keep(spent, held), unpack(verdicts)}
