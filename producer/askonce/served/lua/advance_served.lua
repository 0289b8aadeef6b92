-- Puts a batch into its next state. Once, however often it is sent.
--
-- KEYS: open batches, the batch
-- ARGV: 1 `namespace/batch`   2 fence   3 status   4 seconds for which it is kept from now on, 0 where it goes on
--       then fields, name and value
-- Returns its status: one that is being cancelled stays so until its end. '' where another server has taken it.
if redis.call('HGET', KEYS[2], 'fence') ~= ARGV[2] then
  return ''
end
redis.call('HDEL', KEYS[2], '') -- removing comes first: see keep_served.lua
local status, now = redis.call('HGET', KEYS[2], 'status'), redis.call('TIME')[1]
if #ARGV > 4 then
  redis.call('HSET', KEYS[2], unpack(ARGV, 5))
end
if ARGV[4] == '0' and status == 'cancelling' then
  return status
end
if status ~= ARGV[3] then
  redis.call('HSET', KEYS[2], 'status', ARGV[3], ARGV[3] .. '_at', now)
end
if ARGV[4] ~= '0' then
  redis.call('ZREM', KEYS[1], ARGV[1])
  redis.call('EXPIRE', KEYS[2], ARGV[4])
end
return ARGV[3]
