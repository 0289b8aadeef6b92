-- Counts calls of a worker that knows of no budget of their namespaces, where others do.
--
-- Uses: budget_now
-- Uses: add_spent
--
-- KEYS: budgets
-- ARGV: of each: namespace, billionths
-- Returns those of them that have a budget.
local bounded = {}
for i = 1, #ARGV, 2 do
  if add_spent(KEYS[1], ARGV[i], tonumber(ARGV[i + 1]), '', '') then
    bounded[#bounded + 1] = ARGV[i]
  end
end
return bounded
