-- Corrects what was taken from rate budgets: returned unused, or other than estimated.
--
-- KEYS: rates of each
-- ARGV: of each: ms to add to what its requests take, ms to add to what its tokens take (mostly below 0)
-- Returns how many were corrected; the others have nothing reserved any more.
local corrected = 0
for i = 1, #KEYS do
  if redis.call('EXISTS', KEYS[i]) == 1 then
    redis.call('HINCRBYFLOAT', KEYS[i], 'requests', ARGV[2 * i - 1])
    redis.call('HINCRBYFLOAT', KEYS[i], 'tokens', ARGV[2 * i])
    corrected = corrected + 1
  end
end
return corrected
