-- Shared by scripts whose writes must survive a failover: loaded in front of them.
-- Returns how many replicas are connected, -1 if INFO is not available.
local function replicas()
  local facts = redis.pcall('INFO', 'replication')
  if type(facts) ~= 'string' then
    return -1
  end
  return tonumber(string.match(facts, 'connected_slaves:(%d+)')) or 0
end

