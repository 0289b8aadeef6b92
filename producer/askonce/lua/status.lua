-- How far each job is. A job id stands in its marker until it is answered; what runs has a lease.
--
-- ARGV: 1 prefix of the result keys   2 prefix of the leases   3... job ids
-- Returns for each: 0 unknown, 1 queued, 2 running, 3 answered, 4 failed.
local after = string.len('{"fingerprint":"') + 43 + string.len('",')
local replies = {}
for i = 3, #ARGV do
  local record = redis.call('GET', ARGV[1] .. ARGV[i])
  if not record then
    replies[#replies + 1] = 0
  elseif string.sub(record, after + 1, after + 10) == '"deadline"' then
    local lane, job = string.match(record, '"job":"(%a+):([^"]+)"', after)
    replies[#replies + 1] = lane and redis.call('ZSCORE', ARGV[2] .. lane, job) and 2 or 1
  else
    replies[#replies + 1] = string.sub(record, after + 1, after + 17) == '"status":"failed"' and 4 or 3
  end
end
return replies
