-- For each job: returns its answer, or adds the caller to its listeners.
--
-- ARGV: 1 prefix of the result keys   2 listener, or '' only to look   3 most bytes of results   4... job ids
-- Returns for each: false (unknown), '' (pending), the result record, or 0 (not read: the reply would get too large;
-- ask again). The first result is always read.
local LISTENERS = 32 -- per job; the newest stay. A client that is dropped polls by itself, once a second.
local SMALL = 65536 -- bytes: almost all records have fewer, and one command reads such a one
local after = string.len('{"fingerprint":"') + 43 + string.len('",')
local most = tonumber(ARGV[3])
local left = most
local tails = {}

-- The rest of a marker after the fingerprint is the same for all questions of a chunk, so it is parsed once.
local function with_listener(tail)
  if string.find(tail, '"' .. ARGV[2] .. '"', 1, true) then
    return tail
  end
  local head, names = string.match(tail, '^(.*),"listeners":%[(.*)%]}$')
  local listeners = {}
  for name in string.gmatch(names or '', '"([^"]+)"') do
    listeners[#listeners + 1] = name
  end
  listeners[#listeners + 1] = ARGV[2]
  while #listeners > LISTENERS do
    table.remove(listeners, 1)
  end
  return (head or string.sub(tail, 1, -2)) .. ',"listeners":["' .. table.concat(listeners, '","') .. '"]}'
end

local function listen(key, marker)
  local tail = string.sub(marker, after + 1)
  tails[tail] = tails[tail] or with_listener(tail)
  if tails[tail] ~= tail then
    redis.call('SET', key, string.sub(marker, 1, after) .. tails[tail], 'KEEPTTL')
  end
end

local function look(key)
  local record = redis.pcall('GETRANGE', key, 0, SMALL)
  local size = type(record) == 'string' and #record or 0
  if size > SMALL then
    size = redis.call('STRLEN', key)
  end
  if size == 0 then -- missing, or not a string, so not ours
    return false
  elseif size > left and left < most then
    return 0
  elseif size > SMALL then
    record = redis.call('GET', key)
  end
  if string.sub(record, after + 1, after + 10) ~= '"deadline"' then
    left = left - size
    return record
  end
  if ARGV[2] ~= '' then
    listen(key, record)
  end
  return ''
end

if ARGV[2] ~= '' then
  -- Removing comes first: a script whose first write takes no memory may go on even when Redis is full.
  redis.call('DEL', ARGV[1])
end
local replies = {}
for i = 4, #ARGV do
  replies[#replies + 1] = look(ARGV[1] .. ARGV[i])
end
return replies
