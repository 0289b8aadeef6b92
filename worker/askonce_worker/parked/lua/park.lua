-- Parks questions that still wait for an answer. One that is already parked gets another waiter. Idempotent.
--
-- KEYS: load
-- ARGV: 1 prefix of the keys   2 prefix of the result keys (without namespace)
--       3... of each: id, namespace:job id, fingerprint, deadline (Unix ms), who waits, scope's name, scope ('' if it
--       was given before), question, epochs, vector or ''
-- Returns for each: 1 parked, 0 no longer pending; or {-1} if the provider has no batches.
if redis.call('EXISTS', ARGV[1] .. 'none') == 1 then
  return {-1}
end
local prefix, header, replies, scopes = ARGV[1], string.len('{"fingerprint":"'), {}, {}

local function is_pending(name, fingerprint)
  local marker = redis.pcall('GETRANGE', ARGV[2] .. name, 0, header + 43 + 12)
  return type(marker) == 'string' and string.sub(marker, header + 1, header + 43) == fingerprint
    and string.sub(marker, header + 46, header + 55) == '"deadline"'
end

-- Removing comes first: Redis lets a script that has begun to write go on even when its memory is full.
redis.call('ZREM', prefix .. 'new', '')
for i = 3, #ARGV, 10 do
  local id, name, deadline = ARGV[i], ARGV[i + 1], ARGV[i + 3]
  local key = prefix .. 'question:' .. id
  if ARGV[i + 6] ~= '' then
    scopes[ARGV[i + 5]] = ARGV[i + 6]
  end
  if is_pending(name, ARGV[i + 2]) then
    local place = redis.call('HGET', key, 'place')
    if not place then
      place = 'new'
      redis.call('HSET', key, 'place', place, 'scope', ARGV[i + 5], 'question', ARGV[i + 7], 'epochs', ARGV[i + 8])
      if ARGV[i + 9] ~= '' then
        redis.call('HSET', key, 'vector', ARGV[i + 9])
      end
      redis.call('HSETNX', prefix .. 'scopes', ARGV[i + 5], scopes[ARGV[i + 5]])
      redis.call('HINCRBY', prefix .. 'scopes:uses', ARGV[i + 5], 1)
      redis.call('HINCRBY', KEYS[1], 'parked', 1)
    end
    local waiter = ARGV[i + 4]
    if string.sub(place, 1, 6) == 'lines:' then
      waiter = string.sub(waiter, 1, -2) .. ',"late":true}'
    end
    redis.call('HSETNX', key, 'w:' .. string.match(name, ':(.*)$'), waiter)
    redis.call('ZADD', prefix .. place, 'LT', deadline, id)
    replies[#replies + 1] = 1
  else
    replies[#replies + 1] = 0
  end
end
return replies
