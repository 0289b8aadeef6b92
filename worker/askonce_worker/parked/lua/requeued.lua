-- Shared by the scripts that return parked questions to the queue: loaded in front of them.

-- A marker names the job that answers it; otherwise, while the job that parked it still runs, the new one would skip
-- it.
local function wait_in(result, name)
  local marker = redis.call('GET', result)
  if marker and string.find(marker, '^{"fingerprint":"[^"]*","deadline"') then
    redis.call('SET', result, (string.gsub(marker, '"job":"[^"]*"', '"job":"bulk:' .. name .. '"', 1)), 'KEEPTTL')
  end
end

-- Ahead of everything waiting in the lane.
-- keys: queue:bulk, wake, fair, load   kinds: prefix of job records, function, lifetime of a result in ms, prefix of the
-- result keys (without namespace)   jobs: five of each: its name, chunk, questions in it, timeout in ms, their
-- `namespace:job id`, joined by line feeds
local function requeue(keys, kinds, jobs)
  local clock = redis.call('TIME')
  local now = string.format('%.0f', clock[1] * 1000 + math.floor(clock[2] / 1000))
  for i = 1, #jobs, 5 do
    local name = jobs[i]
    redis.call('SET', kinds[1] .. name, '{"t":null,"f":"' .. kinds[2] .. '","a":[' .. jobs[i + 1] .. '],"k":{},"et":'
      .. now .. '}', 'PX', string.format('%.0f', jobs[i + 3] + kinds[3]))
    redis.call('ZADD', keys[1], redis.call('HGET', keys[3], '') or '1', name)
    redis.call('HINCRBY', keys[4], 'bulk', jobs[i + 2])
    for waiter in string.gmatch(jobs[i + 4], '[^\n]+') do
      wait_in(kinds[4] .. waiter, name)
    end
    if redis.call('LLEN', keys[2]) < 64 then
      redis.call('LPUSH', keys[2], '1')
    end
  end
end
