-- Counts exact hits, and updates the idle clocks of their entries.
--
-- KEYS: totals, touched, tally
-- ARGV: 1 prefix of the hourly counters   2 number of the client's tally: it counts once, however often it is sent
--       3 how many counters   then counter, count of each   then fingerprints
local clock = redis.call('TIME')
local first = 4 + 2 * ARGV[3]
if first > 4 and redis.call('GET', KEYS[3]) ~= ARGV[2] then
  redis.call('SET', KEYS[3], ARGV[2], 'EX', 3600)
  local hour = ARGV[1] .. math.floor(clock[1] / 3600)
  for i = 4, first - 1, 2 do
    redis.call('HINCRBY', KEYS[1], ARGV[i], ARGV[i + 1])
    redis.call('HINCRBY', hour, ARGV[i], ARGV[i + 1])
  end
  redis.call('EXPIRE', hour, 3456000)
end
local touched = {}
for i = first, #ARGV do
  touched[#touched + 1] = clock[1]
  touched[#touched + 1] = ARGV[i]
end
for at = 1, #touched, 4000 do
  redis.call('ZADD', KEYS[2], 'XX', unpack(touched, at, math.min(at + 3999, #touched)))
end
return #ARGV - first + 1
