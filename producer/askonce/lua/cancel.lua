-- Ends questions that nobody works on as failed. One that runs is finished, and cached.
--
-- ARGV: 1 prefix of the result keys   2 prefix of the listeners' streams   3 prefix of the leases   4 namespace
--       5 lifetime of a result in ms   6 rest of the result record, after the fingerprint   7... job ids
-- Returns for each: 1 cancelled, 2 running, 0 answered already, -1 unknown.
local after = string.len('{"fingerprint":"') + 43 + string.len('",')

local function cancel(key, told, id)
  local record = redis.call('GET', key)
  if not record then
    return -1
  elseif string.sub(record, after + 1, after + 10) ~= '"deadline"' then
    return 0
  end
  local lane, job = string.match(record, '"job":"(%a+):([^"]+)"', after)
  if lane and redis.call('ZSCORE', ARGV[3] .. lane, job) then
    return 2
  end
  redis.call('SET', key, string.sub(record, 1, after) .. ARGV[6], 'PX', ARGV[5])
  for listener in string.gmatch(string.match(record, '"listeners":%[(.*)%]', after), '"([^"]+)"') do
    told[listener] = (told[listener] and told[listener] .. ' ' or '') .. id
  end
  return 1
end

local told, replies = {}, {}
for i = 7, #ARGV do
  replies[#replies + 1] = cancel(ARGV[1] .. ARGV[i], told, ARGV[4] .. ':' .. ARGV[i])
end
for listener, ids in pairs(told) do
  redis.call('XADD', ARGV[2] .. listener, 'MAXLEN', '~', 10000, '*', 'ids', ids)
  redis.call('EXPIRE', ARGV[2] .. listener, 3600)
end
return replies
