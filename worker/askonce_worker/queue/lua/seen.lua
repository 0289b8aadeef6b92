-- Reads the data that answering a job with one question begins with, as part of its claim. Loaded in front of
-- claim_jobs.lua.
--
-- prefix: of all keys   record: the job record   reports: whether there are reports of wrong pairs, or dropped entries
-- Returns {namespace, job id, model, its marker, the entry of the marker's fingerprint, the four counters of its epochs,
-- when the last wrong pair was reported and the last entry dropped}, '' for none; or nil: it must be read separately.
local SMALL = 65536 -- bytes of a marker, and of an entry that is read

local function newest(key)
  return redis.call('ZRANGE', key, -1, -1, 'WITHSCORES')[2] or ''
end

local function begins(key, most)
  local found = redis.pcall('GETRANGE', key, 0, most)
  return type(found) == 'string' and found or ''
end

-- Matches the text as clients write it, without decoding: a worker compares these names with the question's own before
-- it trusts them. nil if they are not found this way.
local function only_question(record)
  local namespace = string.match(record, '"a":%[{"v":1,"namespace":"([^"\\]*)"')
  local model = string.match(record, '"scopes":%[.-"model":"([^"\\]*)"')
  local id = string.match(record, '"questions":%[{"id":"([^"\\]*)"')
  if namespace and model and id then
    return namespace, id, model
  end
end

local function seen(prefix, record, reports)
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
  local wrong, dropped = reports and newest(prefix .. 'wrong') or '', reports and newest(prefix .. 'dropped') or ''
  return {namespace, id, model, marker, entry, epochs, wrong, dropped}
end

