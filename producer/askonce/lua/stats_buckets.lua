-- Lists the existing buckets of counters.
--
-- ARGV: 1 prefix of the buckets   2 how many hours back   3 how many packed hours back   4 how many packed days back
-- Returns {Unix s, us, bucket, number of its fields, bucket, ...}; the current hour comes first.
local clock = redis.call('TIME')
local hour = math.floor(clock[1] / 3600)
local reply = {tonumber(clock[1]), tonumber(clock[2])}

local function look(name, newest, back)
  for at = newest, newest - back, -1 do
    local bucket = name .. string.format('%.0f', at)
    local length = redis.call('HLEN', ARGV[1] .. bucket)
    if length > 0 then
      reply[#reply + 1] = bucket
      reply[#reply + 1] = length
    end
  end
end

look('hour:', hour, tonumber(ARGV[2]))
look('packed:hour:', hour, tonumber(ARGV[3]))
look('packed:day:', math.floor(hour / 24), tonumber(ARGV[4]))
return reply
