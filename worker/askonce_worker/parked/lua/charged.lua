-- Shared by the scripts that take from budgets what lines of batches cost: loaded in front of them, after fenced and
-- budget_now.

-- Also if nothing was reserved: its namespace may have had no budget when the line was sent.
--
-- billed: billionths, '' for nothing, '?' for as much as was set aside   payer: `namespace|period|limit`, the last two
-- empty if this worker knows of no budget   spent: by namespace {billionths so far, period, limit}
local function charge(prefix, id, billed, payer, spent)
  local namespace, period, limit = string.match(payer, '^(.*)|(.*)|(.*)$')
  local nano = tonumber(billed == '?' and redis.call('HGET', prefix .. 'question:' .. id, 'aside') or billed)
  if nano then
    local sum = spent[namespace] or {0, period, limit}
    sum[1] = sum[1] + nano
    spent[namespace] = sum
  end
end

-- If this worker knows of no budget, what others know of it holds until its day or month ends.
-- Returns the namespaces that are the first time seen to have spent 80 %, joined by line feeds.
local function keep_spent(prefix, spent)
  local sums, nearly, now = budgets_of(prefix), {}, tonumber(redis.call('TIME')[1])
  for namespace, sum in pairs(spent) do
    local of, period, limit = namespace .. '|', sum[2], sum[3]
    if period == '' and tonumber(redis.call('HGET', sums, of .. 'ends') or 0) > now then
      period, limit = unpack(redis.call('HMGET', sums, of .. 'period', of .. 'limit'))
    end
    if period and period ~= '' and tonumber(limit) then
      local keys = {sums, sums .. ':held:' .. namespace, sums .. ':lapsed:' .. namespace}
      local before, held, _, keep = budget_now(keys, namespace, period, tonumber(limit))
      if keep(before + sum[1], held) == 1 then
        nearly[#nearly + 1] = namespace
      end
    end
  end
  return table.concat(nearly, '\n')
end
