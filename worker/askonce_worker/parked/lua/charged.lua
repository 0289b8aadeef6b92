-- Shared by the scripts that take from budgets what lines of batches cost: loaded in front of them, after fenced and
-- budget_now.

-- spent: billionths so far, by namespace   billed: billionths, '' for nothing, '?' for as much as was set aside
local function charge(prefix, id, billed, spent)
  local facts = redis.call('HMGET', prefix .. 'question:' .. id, 'aside', 'payer')
  if facts[1] and facts[2] and billed ~= '' then
    spent[facts[2]] = (spent[facts[2]] or 0) + tonumber(billed == '?' and facts[1] or billed)
  end
end

-- Returns the namespaces that are the first time seen to have spent 80 %, joined by line feeds.
local function keep_spent(prefix, spent)
  local sums, nearly = budgets_of(prefix), {}
  for namespace, nano in pairs(spent) do
    local known = redis.call('HMGET', sums, namespace .. '|period', namespace .. '|limit')
    if known[1] and known[2] then
      local keys = {sums, sums .. ':held:' .. namespace, sums .. ':lapsed:' .. namespace}
      local before, held, _, keep = budget_now(keys, namespace, known[1], tonumber(known[2]))
      if keep(before + nano, held) == 1 then
        nearly[#nearly + 1] = namespace
      end
    end
  end
  return table.concat(nearly, '\n')
end
