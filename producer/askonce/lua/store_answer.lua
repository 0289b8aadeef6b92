-- Caches one answer that no worker made. The worker that drains the outbox makes its vector.
--
-- Uses: nearly_full
--
-- KEYS: epochs, touched, outbox, entry, expiries
-- ARGV: 1 fingerprint   2 time to live in ms   3 most vectors in the outbox, 0 to write none
--       4 rest of the entry after its epochs   5 rest of the outbox record after its epochs   6... the fields of the epochs
-- Returns 1 stored, 0 stored but there was no room for its vector, -1 Redis is nearly full.
local clock = redis.call('TIME')
local now = tonumber(clock[1])
if nearly_full() then
  return -1
end

local epochs = redis.call('HMGET', KEYS[1], unpack(ARGV, 6))
for n = 1, #epochs do
  epochs[n] = epochs[n] or '0'
end
local expires = now + math.max(1, math.floor(ARGV[2] / 1000))
local head = '{"created_at":' .. now .. ',"expires_at":' .. expires .. ',"epochs":"' .. table.concat(epochs, '.') .. '",'
-- A worker that asked for its answer before this moment does not overwrite this one (store_entries.lua).
local asked_ms = string.format('"asked_ms":%.0f,', now * 1000 + math.floor(clock[2] / 1000))
redis.call('SET', KEYS[4], head .. asked_ms .. ARGV[4], 'PX', ARGV[2])
redis.call('ZADD', KEYS[2], now, ARGV[1])
redis.call('ZADD', KEYS[5], expires, ARGV[1])
if ARGV[3] == '0' then
  return 1
elseif redis.call('XLEN', KEYS[3]) >= tonumber(ARGV[3]) then
  return 0
end
redis.call('XADD', KEYS[3], '*', 'fingerprint', ARGV[1], 'vector', '', 'record', head .. ARGV[5])
return 1
