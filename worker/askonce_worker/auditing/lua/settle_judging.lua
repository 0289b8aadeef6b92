-- Counts what a call of the judge did cost, and remembers its verdicts.
--
-- KEYS: verdicts
-- ARGV: 1 prefix of the days' figures   2 seconds for which all is kept   3 most verdicts; any make room
--       4 how many figures, then name, what is added to it, of each   then pair, verdict of each
local clock = redis.call('TIME')
local day = ARGV[1] .. math.floor(clock[1] / 86400)
local first = 5 + 2 * ARGV[4]
for i = 5, first - 1, 2 do
  redis.call('HINCRBYFLOAT', day, ARGV[i], ARGV[i + 1])
end
redis.call('EXPIRE', day, ARGV[2])
for i = first, #ARGV, 2 do
  if redis.call('HLEN', KEYS[1]) >= tonumber(ARGV[3]) then
    redis.call('HDEL', KEYS[1], redis.call('HRANDFIELD', KEYS[1]))
  end
  redis.call('HSET', KEYS[1], ARGV[i], ARGV[i + 1])
end
if #ARGV >= first then
  redis.call('EXPIRE', KEYS[1], ARGV[2])
end
return 1
