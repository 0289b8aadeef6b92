-- Asks whoever runs a batch, or is to run it, to end it.
--
-- KEYS: the batch
-- Returns its status: `cancelling`, or the one in which nothing is left to cancel; '' if there is no such batch.
local status = redis.call('HGET', KEYS[1], 'status')
if status == 'validating' or status == 'in_progress' then
  redis.call('HSET', KEYS[1], 'status', 'cancelling', 'cancelling_at', redis.call('TIME')[1])
  return 'cancelling'
end
return status or ''
