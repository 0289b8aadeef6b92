-- Asks the server that runs a batch, or will run it, to cancel it.
--
-- KEYS: the batch
-- Returns its status: `cancelling`, or one in which there is nothing left to cancel; '' if there is no such batch.
local status = redis.call('HGET', KEYS[1], 'status')
if status == 'validating' or status == 'in_progress' then
  redis.call('HSET', KEYS[1], 'status', 'cancelling', 'cancelling_at', redis.call('TIME')[1])
  return 'cancelling'
end
return status or ''
