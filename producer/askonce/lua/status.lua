-- The state of each job. Until it is answered, its marker names its job. A running job has a lease: the chunk or, once
-- it was split, the part JOB.ID.
--
-- ARGV: 1 prefix of the result keys   2 prefix of the leases   3... job ids
-- Returns for each: 0 unknown, 1 queued, 2 running, 3 answered, 4 failed.
local after = string.len('{"fingerprint":"') + 43 + string.len('",')
local replies = {}
for i = 3, #ARGV do
  -- A result may be megabytes long; its beginning is enough.
  local record = redis.pcall('GETRANGE', ARGV[1] .. ARGV[i], 0, 1023)
  if type(record) ~= 'string' or record == '' then
    replies[#replies + 1] = 0
  elseif string.sub(record, after + 1, after + 10) == '"deadline"' then
    local lane, job = string.match(record, '"job":"(%a+):([^"]+)"', after)
    local leases = lane and ARGV[2] .. lane
    local runs = leases
      and (redis.call('ZSCORE', leases, job) or redis.call('ZSCORE', leases, job .. '.' .. ARGV[i]))
    replies[#replies + 1] = runs and 2 or 1
  else
    replies[#replies + 1] = string.sub(record, after + 1, after + 17) == '"status":"failed"' and 4 or 3
  end
end
return replies
