-- Shared by the scripts of the one worker that tends what is parked: loaded in front of them.
local function is_holder(lock, token)
  return redis.call('GET', lock) == token
end

-- The field names of a parked question's waiters.
local function waiting(key)
  local found = {}
  for _, field in ipairs(redis.call('HKEYS', key)) do
    if string.sub(field, 1, 2) == 'w:' then
      found[#found + 1] = field
    end
  end
  return found
end

-- The score of a parked question is its waiters' nearest deadline; without waiters, the largest number.
local function rescore(prefix, id)
  local least, facts = 9007199254740991, redis.call('HGETALL', prefix .. 'question:' .. id)
  local place = redis.call('HGET', prefix .. 'question:' .. id, 'place')
  for i = 1, #facts, 2 do
    if string.sub(facts[i], 1, 2) == 'w:' then
      least = math.min(least, tonumber(string.match(facts[i + 1], '^{"deadline":(%d+)') or least))
    end
  end
  if place then
    redis.call('ZADD', prefix .. place, 'XX', string.format('%.0f', least), id)
  end
end

-- The key of all budgets' sums (BudgetKeys).
local function budgets_of(prefix)
  return string.sub(prefix, 1, -string.len('parked:') - 1) .. 'budgets'
end

-- Releases what was reserved for a line, for others of its namespace.
local function give_back(prefix, id)
  local key = prefix .. 'question:' .. id
  local facts = redis.call('HMGET', key, 'aside', 'payer')
  if facts[1] and facts[2] then
    local held = tonumber(redis.call('HGET', budgets_of(prefix), facts[2] .. '|held') or 0) - tonumber(facts[1])
    redis.call('HSET', budgets_of(prefix), facts[2] .. '|held', string.format('%.0f', math.max(0, held)))
    redis.call('HDEL', key, 'aside', 'payer')
  end
end

local function forget(prefix, id)
  local key = prefix .. 'question:' .. id
  give_back(prefix, id)
  local facts = redis.call('HMGET', key, 'place', 'scope')
  if redis.call('DEL', key) == 1 and facts[2] then
    redis.call('HINCRBY', string.sub(prefix, 1, -string.len('parked:') - 1) .. 'load', 'parked', -1)
  end
  if facts[1] then
    redis.call('ZREM', prefix .. facts[1], id)
  end
  if facts[2] and redis.call('HINCRBY', prefix .. 'scopes:uses', facts[2], -1) <= 0 then
    redis.call('HDEL', prefix .. 'scopes:uses', facts[2])
    redis.call('HDEL', prefix .. 'scopes', facts[2])
  end
end

