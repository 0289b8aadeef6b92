-- What the answering of a job with one question begins with, read together with its claim. Loaded in front of
-- claim_jobs.lua.
--
-- prefix: of all keys   record: the job record
-- Returns {namespace, job id, model, its marker, the entry of the marker's fingerprint, the four counters of its epochs,
-- when the last wrong pair was reported and the last entry dropped}, '' where there is none; or nil: it has to be read
-- by itself.
local SMALL = 65536 -- bytes of a marker, and of an entry that is read

local function newest(key)
  return redis.call('ZRANGE', key, -1, -1, 'WITHSCORES')[2] or ''
end

local function begins(key, most)
  local found = redis.pcall('GETRANGE', key, 0, most)
  return type(found) == 'string' and found or ''
end

local function only_question(record)
  local readable, call = pcall(cjson.decode, record)
  local chunk = readable and type(call) == 'table' and type(call.a) == 'table' and call.a[1]
  if type(chunk) ~= 'table' or type(chunk.questions) ~= 'table' or type(chunk.scopes) ~= 'table' then
    return nil
  end
  local question, scope = chunk.questions[1], chunk.scopes[1]
  if #chunk.questions ~= 1 or #chunk.scopes ~= 1 or type(question) ~= 'table' or type(scope) ~= 'table' then
    return nil
  end
  local model = type(scope.fields) == 'table' and scope.fields.model or scope.model
  if type(chunk.namespace) == 'string' and type(question.id) == 'string' and type(model) == 'string' then
    return chunk.namespace, question.id, model
  end
end

local function seen(prefix, record)
  if #record > 16384 then
    return nil
  end
  local namespace, id, model = only_question(record)
  if not namespace then
    return nil
  end
  local marker = begins(prefix .. 'result:' .. namespace .. ':' .. id, SMALL - 1)
  local fingerprint = string.match(marker, '^{"fingerprint":"([%w_-]+)"')
  local entry = fingerprint and begins(prefix .. 'entry:' .. fingerprint, SMALL) or ''
  local epochs = redis.call('HMGET', prefix .. 'epochs', 'all', 'model:' .. model, 'namespace:' .. namespace,
    'both:' .. namespace .. ':' .. model)
  local wrong, dropped = prefix .. 'wrong', prefix .. 'dropped'
  if redis.call('EXISTS', wrong, dropped) == 0 then
    return {namespace, id, model, marker, entry, epochs, '', ''}
  end
  return {namespace, id, model, marker, entry, epochs, newest(wrong), newest(dropped)}
end

