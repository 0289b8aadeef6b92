-- Moves a batch to its next status. Idempotent.
--
-- Uses: note_due
--
-- KEYS: open batches of the namespace, the batch, due namespaces
-- ARGV: 1 batch   2 namespace   3 fence   4 status   5 seconds to keep the ended batch, 0 if it has not ended
--       then fields, name and value
-- Returns its status: a batch that is being cancelled stays so until it ends. '' if another server has taken it.
if redis.call('HGET', KEYS[2], 'fence') ~= ARGV[3] then
  return ''
end
redis.call('HDEL', KEYS[2], '') -- removing comes first: see keep_served.lua
local status, now = redis.call('HGET', KEYS[2], 'status'), redis.call('TIME')[1]
if #ARGV > 5 then
  redis.call('HSET', KEYS[2], unpack(ARGV, 6))
end
if ARGV[5] == '0' and status == 'cancelling' then
  return status
end
if status ~= ARGV[4] then
  redis.call('HSET', KEYS[2], 'status', ARGV[4], ARGV[4] .. '_at', now)
end
if ARGV[5] ~= '0' then
  redis.call('ZREM', KEYS[1], ARGV[1])
  note_due(KEYS[3], KEYS[1], ARGV[2])
  redis.call('EXPIRE', KEYS[2], ARGV[5])
end
return ARGV[4]
