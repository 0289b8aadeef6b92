-- Accepts a chunk of questions, all or none; or answers the only question of a chunk from the cache.
--
-- Uses: nearly_full
--
-- KEYS: queue, wake, fair, load
-- ARGV: 1 prefix of the result keys (up to and with the namespace's colon)   2 key of the job record
--       3 job   4 lane   5 namespace   6 most questions in the lane (0: no bound)   7 timeout in ms
--       8 lifetime of a result in ms   9 listener, or ''   10 function   11 chunk
--       12... job id, fingerprint of each question; and to look for an entry first, a line each: its key, that of the
--       epochs, and the four fields that it depends on; and one more if there was room just before, in the memory and
--       for wake-ups
-- Returns {'ok', new, and of one that was looked for: how many wake-ups wait} | {'cached', entry, value of each field}
--         | {'conflict', index... (at most 4000)} | {'full', cause}
local last = #ARGV - (#ARGV - 11) % 2
local known, has_room = {}, false
if last < #ARGV then
  local lines = {}
  for line in string.gmatch(ARGV[#ARGV], '[^\n]+') do
    lines[#lines + 1] = line
  end
  has_room = #lines > 6
  local found = redis.call('MGET', ARGV[1] .. ARGV[12], lines[1])
  -- After a lost reply and a retry, the question may already be queued, and the cached answer may be its own.
  if found[2] and not found[1] then
    return {'cached', found[2], unpack(redis.call('HMGET', lines[2], unpack(lines, 3, 6)))}
  end
  known[1] = found[1]
end

local header = string.len('{"fingerprint":"')
local clock = redis.call('TIME')
local now = clock[1] * 1000 + math.floor(clock[2] / 1000)

local keys, prints = {}, {}
for i = 12, last, 2 do
  keys[#keys + 1] = ARGV[1] .. ARGV[i]
  prints[#prints + 1] = ARGV[i + 1]
end

-- A known job id was already accepted, if it stands for the same question.
local conflicts, new, own = {}, 0, {}
for at = 1, last < #ARGV and 0 or #keys, 4000 do
  local found = redis.call('MGET', unpack(keys, at, math.min(at + 3999, #keys)))
  for i = 1, #found do
    known[at + i - 1] = found[i]
  end
end
for i = 1, #keys do
  local print = known[i] and string.sub(known[i], header + 1, header + 43) or own[keys[i]]
  if not print then
    own[keys[i]] = prints[i]
    new = new + 1
  elseif print ~= prints[i] then
    conflicts[#conflicts + 1] = i - 1
  end
end
if #conflicts > 0 then
  return {'conflict', unpack(conflicts, 1, math.min(#conflicts, 4000))}
end
if new == 0 then
  return {'ok', 0}
end

-- Waiting questions have their own bound, which workers derive from the memory: the queue yields before the cache does.
local function full()
  local bound = tonumber(ARGV[6])
  if has_room then
    local waits = redis.call('HINCRBY', KEYS[4], ARGV[4], #keys)
    if bound > 0 and waits > bound then
      redis.call('HINCRBY', KEYS[4], ARGV[4], -#keys)
      return 'lane'
    end
    return nil
  end
  local load = redis.call('HMGET', KEYS[4], ARGV[4], 'interactive', 'bulk', 'most')
  if bound > 0 and tonumber(load[1] or 0) + #keys > bound then
    return 'lane'
  end
  local most = tonumber(load[4] or 0)
  if (most > 0 and tonumber(load[2] or 0) + tonumber(load[3] or 0) + #keys > most) or nearly_full() then
    return 'memory'
  end
  redis.call('HINCRBY', KEYS[4], ARGV[4], #keys)
end

local cause = full()
if cause then
  return {'full', cause}
end

local lifetime = ARGV[7] + ARGV[8]
local tail = '","deadline":' .. string.format('%.0f', now + ARGV[7])
  .. ',"at":' .. string.format('%.0f', clock[1] * 1000000 + clock[2]) .. ',"job":"' .. ARGV[4] .. ':' .. ARGV[3]
  .. (ARGV[9] == '' and '"}' or '","listeners":["' .. ARGV[9] .. '"]}')
for i = 1, #keys do
  if not known[i] then
    redis.call('SET', keys[i], '{"fingerprint":"' .. prints[i] .. tail, 'PX', lifetime)
  end
end

local stamp = string.format('%.0f', now)
redis.call('SET', ARGV[2], '{"t":null,"f":"' .. ARGV[10] .. '","a":[' .. ARGV[11] .. '],"k":{},"et":' .. stamp .. '}',
  'PX', lifetime)
local score = now
if ARGV[4] == 'bulk' then
  -- Start-time fair queueing: a namespace's next chunk starts when its last one would have finished.
  local times = redis.call('HMGET', KEYS[3], '', ARGV[5])
  score = math.max(tonumber(times[1] or 1), tonumber(times[2] or 1))
  redis.call('HSET', KEYS[3], ARGV[5], string.format('%.0f', score + #keys))
end
redis.call('ZADD', KEYS[1], string.format('%.0f', score), ARGV[3])
-- Wake-ups are bounded: a caller that assumed room is told how many there are.
local wakes = has_room and 0 or redis.call('LLEN', KEYS[2])
if wakes < 64 then
  wakes = redis.call('LPUSH', KEYS[2], '1')
end
return {'ok', new, last < #ARGV and wakes or nil}
