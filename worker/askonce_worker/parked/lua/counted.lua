-- Shared by the scripts that count what lines of batches cost: loaded in front of them.

-- lines: `name count` of each, joined by line feeds
local function add(sums, lines)
  for name, count in string.gmatch(lines, '([^\n]+) (%d+)') do
    sums[name] = (sums[name] or 0) + count
  end
end

-- counts: for all   own: of the batch, or ''
local function keep_sums(prefix, totals, hours, batch, counts, own)
  local hour = hours .. math.floor(redis.call('TIME')[1] / 3600)
  for field, count in pairs(counts) do
    redis.call('HINCRBY', totals, field, count)
    redis.call('HINCRBY', hour, field, count)
  end
  if next(counts) then
    redis.call('EXPIRE', hour, 3456000)
  end
  if batch ~= '' and redis.call('EXISTS', prefix .. 'batch:' .. batch) == 1 then
    for field, count in pairs(own) do
      redis.call('HINCRBY', prefix .. 'batch:' .. batch, field, count)
    end
  end
end
