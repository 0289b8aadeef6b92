-- Renews a worker's leases and heartbeat. A lapsed lease is renewed too, unless another worker has it.
--
-- KEYS: 1 leases:interactive 2 leases:bulk 3 tokens:interactive 4 tokens:bulk 5 workers 6 doubted
-- ARGV: 1 worker   2 lease in ms   3... of each job: lane (1 or 2), job, token
-- Returns {now in ms, index of each lost job...}, counted from 0.
local clock = redis.call('TIME')
local now = clock[1] * 1000 + math.floor(clock[2] / 1000)
local deadline = string.format('%.0f', now + ARGV[2])
-- Removing comes first: Redis lets a script that has begun to write go on even when its memory is full.
redis.call('ZREMRANGEBYSCORE', KEYS[5], '-inf', string.format('%.0f', now - 60000))
redis.call('ZADD', KEYS[5], deadline, ARGV[1])
redis.call('HDEL', KEYS[6], ARGV[1])
local reply = {now}
for i = 3, #ARGV, 3 do
  local state = redis.call('HGET', KEYS[2 + ARGV[i]], ARGV[i + 1])
  if state and string.match(state, '^%S+') == ARGV[i + 2] then
    redis.call('ZADD', KEYS[tonumber(ARGV[i])], deadline, ARGV[i + 1])
  else
    reply[#reply + 1] = (i - 3) / 3
  end
end
return reply
