-- Fails questions that no worker has begun. Running ones are finished and cached.
--
-- KEYS: totals
-- ARGV: 1 prefix of the result keys   2 prefix of the listeners' streams   3 prefix of the leases   4 namespace
--       5 lifetime of a result in ms   6 rest of the result record, after the fingerprint   7 prefix of the hourly
--       counters   8... job ids
-- Returns for each: 1 cancelled, 2 running, 0 answered already, -1 unknown.
local after = string.len('{"fingerprint":"') + 43 + string.len('",')

-- A part of a chunk that was split is called JOB.ID; its marker still names the chunk.
local function runs(lane, job, id)
  return lane and (redis.call('ZSCORE', ARGV[3] .. lane, job) or redis.call('ZSCORE', ARGV[3] .. lane, job .. '.' .. id))
end

local function cancel(id, told)
  local key = ARGV[1] .. id
  local kind = redis.pcall('GETRANGE', key, after, after + 9) -- a result may have megabytes
  if kind ~= '"deadline"' then
    return (type(kind) ~= 'string' or kind == '') and -1 or 0
  end
  local record = redis.call('GET', key)
  local lane, job = string.match(record, '"job":"(%a+):([^"]+)"', after)
  if runs(lane, job, id) then
    return 2
  end
  redis.call('SET', key, string.sub(record, 1, after) .. ARGV[6], 'PX', ARGV[5])
  for listener in string.gmatch(string.match(record, '"listeners":%[(.*)%]', after) or '', '"([^"]+)"') do
    told[listener] = (told[listener] and told[listener] .. ' ' or '') .. ARGV[4] .. ':' .. id
  end
  return 1
end

-- Removing comes first: a script whose first write takes no memory may go on even when Redis is full.
redis.call('DEL', ARGV[1])
local told, replies, cancelled = {}, {}, 0
for i = 8, #ARGV do
  local reply = cancel(ARGV[i], told)
  replies[#replies + 1] = reply
  cancelled = cancelled + (reply == 1 and 1 or 0)
end
if cancelled > 0 then
  local hour = ARGV[7] .. math.floor(redis.call('TIME')[1] / 3600)
  redis.call('HINCRBY', KEYS[1], 'cancelled|' .. ARGV[4] .. '|', cancelled)
  redis.call('HINCRBY', hour, 'cancelled|' .. ARGV[4] .. '|', cancelled)
  redis.call('EXPIRE', hour, 3456000)
end
for listener, ids in pairs(told) do
  redis.call('XADD', ARGV[2] .. listener, 'MAXLEN', '~', 10000, '*', 'ids', ids)
  redis.call('EXPIRE', ARGV[2] .. listener, 3600)
end
return replies
