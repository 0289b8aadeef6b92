#!lua flags=allow-oom
-- Counts what was published since the last run: publishing leaves a note in one command, and this adds up many notes.
-- Updates the idle clocks of entries that were hit.
--
-- KEYS: fresh, totals, touched
-- ARGV: 1 prefix of the hourly counters   2 prefix of the tallies
-- A note is called `answers JOB SECONDS MICROSECONDS` and is there once, or `calls WORKER NUMBER`: that tally counts
-- once, however often it was sent. An unreadable note is dropped, because it would block all others.
-- Returns how many notes there were.
local fresh = redis.call('HGETALL', KEYS[1])
if #fresh == 0 then
  return 0
end
local clock = redis.call('TIME')
local sums, touched, tallies = {}, {}, {}

local function add(note)
  local found = cjson.decode(note)
  for name, count in pairs(found.counts or {}) do
    sums[name] = (sums[name] or 0) + count
  end
  for _, fingerprint in ipairs(found.touched or {}) do
    touched[#touched + 1] = clock[1]
    touched[#touched + 1] = fingerprint
  end
end

for i = 1, #fresh, 2 do
  local worker, number = string.match(fresh[i], '^calls (.*) (%d+)$')
  if worker then
    tallies[worker] = tallies[worker] or {}
    table.insert(tallies[worker], {tonumber(number), fresh[i + 1]})
  else
    pcall(add, fresh[i + 1])
  end
end
for worker, notes in pairs(tallies) do
  local key = ARGV[2] .. worker
  local counted = tonumber(redis.call('GET', key) or -1)
  table.sort(notes, function(one, other) return one[1] < other[1] end)
  for _, note in ipairs(notes) do
    if note[1] ~= counted then
      pcall(add, note[2])
    end
  end
  redis.call('SET', key, string.format('%.0f', notes[#notes][1]), 'EX', 86400)
end

redis.call('DEL', KEYS[1])
local hour, begins = ARGV[1] .. math.floor(clock[1] / 3600), false
for field, sum in pairs(sums) do
  local count = string.format('%.0f', sum)
  redis.call('HINCRBY', KEYS[2], field, count)
  begins = redis.call('HINCRBY', hour, field, count) == sum or begins
end
if begins then
  redis.call('EXPIRE', hour, 3456000)
end
for at = 1, #touched, 4000 do
  redis.call('ZADD', KEYS[3], 'XX', unpack(touched, at, math.min(at + 3999, #touched)))
end
return #fresh / 2
