-- Asks the workers to end batches of a provider early.
--
-- KEYS: of each its record
-- Returns for each: 1 asked, 0 already ended or unknown.
local replies = {}
for i = 1, #KEYS do
  local state = redis.call('HGET', KEYS[i], 'state')
  local runs = state and state ~= 'ended'
  if runs then
    redis.call('HSET', KEYS[i], 'cancel', '1')
  end
  replies[i] = runs and 1 or 0
end
return replies
