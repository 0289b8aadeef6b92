-- For each job: its answer, or a place among those who are told of it.
--
-- ARGV: 1 prefix of the result keys   2 listener, or '' only to look   3... job ids
-- Returns for each: false (unknown), '' (pending), or the result record.
local keys = {}
for i = 3, #ARGV do
  keys[#keys + 1] = ARGV[1] .. ARGV[i]
end
local pending = string.len('{"fingerprint":"') + 43 + string.len('",') + 1
if ARGV[2] ~= '' then
  -- Removing comes first: Redis lets a script that has begun to write go on even when its memory is full.
  redis.call('DEL', ARGV[1])
end
local replies = {}
for at = 1, #keys, 4000 do
  local found = redis.call('MGET', unpack(keys, at, math.min(at + 3999, #keys)))
  for i = 1, #found do
    local record = found[i]
    if record and string.sub(record, pending, pending + 9) == '"deadline"' then
      local name = '"' .. ARGV[2] .. '"'
      if ARGV[2] ~= '' and not string.find(record, name, pending, true) then
        local others = string.sub(record, -2) == ']}'
        local told = others and string.sub(record, 1, -3) .. ',' or string.sub(record, 1, -2) .. ',"listeners":['
        redis.call('SET', keys[at + i - 1], told .. name .. ']}', 'KEEPTTL')
      end
      record = ''
    end
    replies[at + i - 1] = record
  end
end
return replies
