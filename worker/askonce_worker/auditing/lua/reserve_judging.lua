-- Reserves what a call of the judge may cost from the daily budget of all workers.
--
-- ARGV: 1 prefix of the days' figures   2 what may be spent in a day   3 what the call may cost (money)
--       4 seconds for which the figures are kept
-- Returns the day (Unix days), or 0 if that exceeds the budget.
local today = math.floor(redis.call('TIME')[1] / 86400)
local day = ARGV[1] .. today
if tonumber(redis.call('HGET', day, 'cost') or 0) + tonumber(ARGV[3]) > tonumber(ARGV[2]) then
  return 0
end
redis.call('HINCRBYFLOAT', day, 'cost', ARGV[3])
redis.call('EXPIRE', day, ARGV[4])
return today
