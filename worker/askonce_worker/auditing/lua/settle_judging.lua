-- Counts the cost of a call of the judge, and stores its verdicts unless Redis is nearly full.
--
-- Uses: nearly_full
--
-- KEYS: verdicts
-- ARGV: 1 prefix of the days' figures   2 the day that the call was reserved on, '' for today
--       3 seconds for which all is kept   4 most verdicts; any make room
--       5 how many figures, then name, what is added to it, of each   then pair, verdict of each
local today = math.floor(redis.call('TIME')[1] / 86400)
local day = ARGV[1] .. (ARGV[2] == '' and today or ARGV[2])
local first = 6 + 2 * ARGV[5]
for i = 6, first - 1, 2 do
  redis.call('HINCRBYFLOAT', day, ARGV[i], ARGV[i + 1])
end
redis.call('EXPIRE', day, ARGV[3])
if #ARGV < first or nearly_full() then
  return 1
end
for i = first, #ARGV, 2 do
  if redis.call('HLEN', KEYS[1]) >= tonumber(ARGV[4]) then
    redis.call('HDEL', KEYS[1], redis.call('HRANDFIELD', KEYS[1]))
  end
  redis.call('HSET', KEYS[1], ARGV[i], ARGV[i + 1])
end
redis.call('EXPIRE', KEYS[1], ARGV[3])
return 1
