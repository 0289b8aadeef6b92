-- Reserves one call's share of a provider's budget: now, or at a moment soon, which then belongs to the caller.
--
-- KEYS: 1 rates 2 pause
-- ARGV: 1 ms of the budget that a request takes, 0 without such a limit   2 ms that its tokens take, 0 likewise
--       3 ms of it that may be used in one go   4 ms ahead for which a moment is given   5 ms a moment may be late
--       6 the moment given before (ms), or ''   7 lane   8 a name for a call that was refused often, else ''
-- Returns {ms to wait, moment or '' (none is given: ask again), ms left of the pause}.
-- `requests` and `tokens` are theoretical arrival times in ms: until then the budget is used up.
-- Cheap calls leave no room for an expensive one. So a call that was refused often becomes `first` of its lane: the
-- lane's others wait until it has its moment, or has not asked for a while. Bulk calls also wait for any interactive
-- one (`*`).
local clock = redis.call('TIME')
local now = clock[1] * 1000 + clock[2] / 1000
local request, token = tonumber(ARGV[1]), tonumber(ARGV[2])
-- Removing comes first: Redis lets a script that has begun to write go on even when its memory is full.
redis.call('HDEL', KEYS[1], '')
local pause = math.max(0, redis.call('PTTL', KEYS[2]))
local spoken = redis.call('HMGET', KEYS[1], 'requests', 'tokens')
local requests, tokens = tonumber(spoken[1] or 0), tonumber(spoken[2] or 0)

local function spell(ms)
  return string.format('%.3f', ms)
end

local function keep()
  if request > 0 or token > 0 then
    redis.call('HSET', KEYS[1], 'requests', spell(requests), 'tokens', spell(tokens))
    redis.call('PEXPIRE', KEYS[1], math.ceil(math.max(requests - now, tokens - now, 0)) + 120000)
  end
end

local function first(lane)
  local id, till = string.match(redis.call('HGET', KEYS[1], 'first:' .. lane) or '', '^(%S+) (%S+)$')
  return id and tonumber(till) > now and id
end

if ARGV[6] ~= '' then
  local given = tonumber(ARGV[6])
  if pause == 0 and now <= given + ARGV[5] then
    return {math.ceil(math.max(0, given - now)), ARGV[6], 0}
  end
  -- A pause has begun meanwhile, or its caller is late: it gets another moment.
  requests, tokens = requests - request, tokens - token
end

local moment = now + pause
if request > 0 then
  moment = math.max(moment, requests - ARGV[3])
end
if token > 0 then
  -- A call that costs more than may be used in one go must save up for it.
  moment = math.max(moment, tokens + token - ARGV[3])
end
local lane, ahead = ARGV[7], tonumber(ARGV[4])
local own = first(lane)
local held = (own and own ~= '*' and own ~= ARGV[8]) or (lane == 'bulk' and first('interactive'))
if moment > now + ahead or held then
  local wait = moment - now
  if pause == 0 then
    wait = math.min(math.max(wait, ahead), 2 * ahead)
    if not held and (ARGV[8] ~= '' or lane == 'interactive') then
      local name = ARGV[8] ~= '' and ARGV[8] or '*'
      redis.call('HSET', KEYS[1], 'first:' .. lane, name .. ' ' .. spell(now + wait + ahead))
    end
  end
  keep()
  return {math.ceil(wait), '', pause}
end
if own then
  redis.call('HDEL', KEYS[1], 'first:' .. lane)
end
requests = math.max(requests, moment) + request
tokens = math.max(tokens, moment) + token
keep()
return {math.ceil(moment - now), spell(moment), pause}
