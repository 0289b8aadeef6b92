-- Shared by deliver.lua: loaded in front of it, behind nearly_full.lua.
-- Caches answers: the entry, its two clocks and the outbox record together. Counts how often in a row, and since when,
-- a model's answers came from the same snapshot.
--
-- keys: epochs, touched, outbox, expiries, snapshot runs
-- args: 1 prefix of the entries   2 most vectors in the outbox   3 '' if there was ample room just before
--       4... of each: fingerprint, rest of the entry after its times, time to live in ms, epochs it began under,
--       their four fields joined by line feeds, vector or '', record for the outbox or '',
--       snapshots that have answered meanwhile, a line each, and before each how often,
--       Unix ms at which it was asked for, 0 for now
-- Returns whether there is ample room, 1 or 0, then for each: 1 stored, 0 its epoch has moved, 2 a newer answer stands
-- there, -1 Redis is nearly full.
local function store_entries(keys, args, clock)
  local now = tonumber(clock[1])
  local looks = args[3] ~= ''
  local full = looks and nearly_full()
  local runs = {}
  local function run_of(model)
    local raw = redis.call('HGET', keys[5], model)
    local readable, run = pcall(cjson.decode, raw or '')
    if not readable or type(run) ~= 'table' or type(run.seen) ~= 'table' then
      run = {snapshot = '', count = 0, since = now, longest = 0, seen = {}}
    end
    return run
  end

  -- The last snapshot, how often in a row and since when, and the longest run that ended in a return, as happens with
  -- routers.
  local function answered_by(model, snapshot, times)
    local run = runs[model] or run_of(model)
    runs[model] = run
    if run.snapshot == snapshot then
      run.changed = run.changed or run.count < 10000
      run.count = math.min(run.count + times, 10000)
      return
    end
    local returns = false
    for _, name in ipairs(run.seen) do
      returns = returns or name == snapshot
    end
    if returns then
      run.longest = math.max(run.longest, math.min(run.count, 1000))
    else
      run.seen[#run.seen + 1] = snapshot
      if #run.seen > 20 then
        table.remove(run.seen, 1)
      end
    end
    run.snapshot, run.count, run.since, run.changed = snapshot, times, now, true
  end

  -- Whether there is a valid answer that was asked for later. Entries of earlier releases have no `asked_ms`.
  local function is_newer(key, asked, epochs)
    local head = redis.call('GETRANGE', key, 0, 300)
    local created, later = string.match(head, '^{"created_at":(%d+)'), string.match(head, '"asked_ms":(%d+)')
    if not created or string.match(head, '"epochs":"([^"]*)"') ~= epochs then
      return false
    end
    return tonumber(later or created * 1000) > asked
  end

  -- Stores it unless there is a newer answer.
  local function stored(i, asked, record)
    local key = args[1] .. args[i]
    if redis.call('SET', key, record, 'PX', args[i + 2], 'NX') then
      return true
    elseif is_newer(key, asked, args[i + 3]) then
      return false
    end
    redis.call('SET', key, record, 'PX', args[i + 2])
    return true
  end

  local read = {}
  local function epochs_of(names)
    if not read[names] then
      local fields = {}
      for field in string.gmatch(names, '[^\n]+') do
        fields[#fields + 1] = field
      end
      local epochs = redis.call('HMGET', keys[1], unpack(fields))
      for n = 1, #epochs do
        epochs[n] = epochs[n] or '0'
      end
      read[names] = {table.concat(epochs, '.'), fields}
    end
    return unpack(read[names])
  end

  local waiting = looks and redis.call('XLEN', keys[3]) or 0
  local replies = {looks and not full and waiting + 1000 < tonumber(args[2]) and 1 or 0}
  for i = 4, #args, 9 do
    local epochs, fields = epochs_of(args[i + 4])
    for times, snapshot in string.gmatch(args[i + 7], '(%d+) ([^\n]+)') do
      answered_by(string.sub(fields[2], 7), snapshot, tonumber(times))
    end
    local asked = tonumber(args[i + 8])
    asked = asked > 0 and asked or now * 1000 + math.floor(clock[2] / 1000)
    if epochs ~= args[i + 3] then
      replies[#replies + 1] = 0
    elseif full then
      replies[#replies + 1] = is_newer(args[1] .. args[i], asked, args[i + 3]) and 2 or -1
    else
      local expires = now + math.max(1, math.floor(args[i + 2] / 1000))
      local times = '{"created_at":' .. now .. ',"expires_at":' .. expires .. ','
      if stored(i, asked, times .. string.format('"asked_ms":%.0f,', asked) .. args[i + 1]) then
        redis.call('ZADD', keys[2], now, args[i])
        redis.call('ZADD', keys[4], expires, args[i])
        if args[i + 5] ~= '' and waiting < tonumber(args[2]) then
          redis.call('XADD', keys[3], '*', 'fingerprint', args[i], 'vector', args[i + 5], 'record',
            '{"created_at":' .. now .. ',"expires_at":' .. expires .. ',' .. args[i + 6])
          waiting = waiting + 1
        end
        replies[#replies + 1] = 1
      else
        replies[#replies + 1] = 2
      end
    end
  end
  for model, run in pairs(runs) do
    if run.changed then
      run.changed = nil
      redis.call('HSET', keys[5], model, cjson.encode(run))
    end
  end
  return replies
end
