-- Moves counters of a finished hour into its packed hour and its packed day, some at a time.
--
-- A field `name|namespace|model` of the hour becomes a part of the field `namespace|model`: `name=count;name=count`.
-- Moved counters leave the hour in the same script, so each counter exists in exactly one of the two forms.
--
-- KEYS: hour, packed hour, packed day
-- ARGV: 1 the hour (Unix hours)   2 most counters to move   3 lifetime of the packed hour in s   4 of the packed day in s
-- Returns how many counters are left in the hour; -1 if the hour is not over.
if math.floor(redis.call('TIME')[1] / 3600) <= tonumber(ARGV[1]) then
  return -1
end

local taken = redis.call('HRANDFIELD', KEYS[1], ARGV[2], 'WITHVALUES')
local by_owner, fields = {}, {}
for i = 1, #taken, 2 do
  local name, owner = string.match(taken[i], '^([^|]+)|(.*)$')
  fields[#fields + 1] = taken[i]
  if name then
    by_owner[owner] = by_owner[owner] or {}
    by_owner[owner][name] = tonumber(taken[i + 1]) or 0
  end
end
if #fields == 0 then
  return 0
end

local function add(key, owner, counts)
  local sums = {}
  for name, count in string.gmatch(redis.call('HGET', key, owner) or '', '([^=;]+)=(%d+)') do
    sums[name] = tonumber(count)
  end
  for name, count in pairs(counts) do
    sums[name] = (sums[name] or 0) + count
  end
  local parts = {}
  for name, count in pairs(sums) do
    parts[#parts + 1] = name .. '=' .. string.format('%.0f', count)
  end
  table.sort(parts)
  redis.call('HSET', key, owner, table.concat(parts, ';'))
end

-- Removing comes first: Redis lets a script that has begun to write go on even when its memory is full.
redis.call('HDEL', KEYS[1], unpack(fields))
for owner, counts in pairs(by_owner) do
  add(KEYS[2], owner, counts)
  add(KEYS[3], owner, counts)
end
redis.call('EXPIRE', KEYS[2], ARGV[3])
redis.call('EXPIRE', KEYS[3], ARGV[4])
return redis.call('HLEN', KEYS[1])
