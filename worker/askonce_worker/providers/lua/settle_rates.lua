-- Corrects what was taken of budgets: given back unused, or other than estimated.
--
-- KEYS: rates of each
-- ARGV: of each: ms to add to what its requests take, ms to add to what its tokens take (mostly below 0)
-- Returns how many were corrected; of the others nothing is spoken for any more.
local corrected = 0
for i = 1, #KEYS do
  if redis.call('EXISTS', KEYS[i]) == 1 then
    redis.call('HINCRBYFLOAT', KEYS[i], 'requests', ARGV[2 * i - 1])
    redis.call('HINCRBYFLOAT', KEYS[i], 'tokens', ARGV[2 * i])
    corrected = corrected + 1
  end
end
return corrected
