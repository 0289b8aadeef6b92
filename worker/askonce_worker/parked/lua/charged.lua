-- Shared by the scripts that take from budgets what lines of batches cost: loaded in front of them, after fenced,
-- budget_now and add_spent.

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

-- Returns the namespaces that are the first time seen to have spent 80 %, joined by line feeds.
local function keep_spent(prefix, spent)
  local nearly = {}
  for namespace, sum in pairs(spent) do
    local _, first = add_spent(budgets_of(prefix), namespace, sum[1], sum[2], sum[3])
    if first == 1 then
      nearly[#nearly + 1] = namespace
    end
  end
  return table.concat(nearly, '\n')
end
