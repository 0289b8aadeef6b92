-- Shared by scripts that add to what a namespace has spent: loaded in front of them, after budget_now.

-- nano: billionths   period, limit: of its budget; '' if this worker knows of none: then what others know of it holds
-- until its day or month ends. Only a worker that knows of it warns that 80 % are spent.
-- Returns whether there is a budget, and 1 if this is the first to see 80 % spent.
local function add_spent(sums, namespace, nano, period, limit)
  local of, warns = namespace .. '|', period ~= ''
  if not warns then
    if tonumber(redis.call('HGET', sums, of .. 'ends') or 0) <= tonumber(redis.call('TIME')[1]) then
      return false, 0
    end
    period, limit = unpack(redis.call('HMGET', sums, of .. 'period', of .. 'limit'))
  end
  if not period or not tonumber(limit) then
    return false, 0
  end
  local keys = {sums, sums .. ':held:' .. namespace, sums .. ':lapsed:' .. namespace}
  local spent, held, _, keep = budget_now(keys, namespace, period, tonumber(limit))
  local nearly = keep(spent + nano, held)
  if nearly == 1 and not warns then
    redis.call('HSET', sums, of .. 'warned', '0')
    return true, 0
  end
  return true, nearly
end
