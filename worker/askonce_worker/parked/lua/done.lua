-- Forgets parked questions whose answers are published, and counts what they cost: once, with the forgetting.
--
-- Uses: fenced
--
-- KEYS: lock, totals
-- ARGV: 1 prefix of the keys   2 token   3 prefix of the hourly counters   4 batch, or ''
--       5... of each: id, fields of those who have their answer (joined by line feeds), counters (`name count` of each,
--       joined by line feeds), counters of the batch alike
-- Returns for each: 1 forgotten, 2 somebody more waits: look again, 0 unknown; or -1 where another worker has the lock.
if not is_holder(KEYS[1], ARGV[2]) then
  return {-1}
end
local prefix, counts, own, replies, some = ARGV[1], {}, {}, {}, false

local function add(sums, lines)
  for name, count in string.gmatch(lines, '([^\n]+) (%d+)') do
    sums[name] = (sums[name] or 0) + count
  end
end

redis.call('ZREM', prefix .. 'new', '')
for i = 5, #ARGV, 4 do
  local key = prefix .. 'question:' .. ARGV[i]
  local reply = redis.call('EXISTS', key)
  if reply == 1 then
    for field in string.gmatch(ARGV[i + 1], '[^\n]+') do
      redis.call('HDEL', key, field)
    end
    if #waiting(key) > 0 then
      rescore(prefix, ARGV[i])
      reply = 2
    else
      forget(prefix, ARGV[i])
      add(counts, ARGV[i + 2])
      add(own, ARGV[i + 3])
    end
  end
  replies[#replies + 1] = reply
end
local hour = ARGV[3] .. math.floor(redis.call('TIME')[1] / 3600)
for field, count in pairs(counts) do
  some = true
  redis.call('HINCRBY', KEYS[2], field, count)
  redis.call('HINCRBY', hour, field, count)
end
if some then
  redis.call('EXPIRE', hour, 3456000)
end
if ARGV[4] ~= '' and redis.call('EXISTS', prefix .. 'batch:' .. ARGV[4]) == 1 then
  for field, count in pairs(own) do
    redis.call('HINCRBY', prefix .. 'batch:' .. ARGV[4], field, count)
  end
end
return replies
