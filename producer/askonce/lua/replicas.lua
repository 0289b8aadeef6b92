-- Shared by scripts whose writes must survive a failover: loaded in front of them.
--
-- Returns how many replicas are connected; 0 too where INFO is not offered.
local function replicas()
  local facts = redis.pcall('INFO', 'replication')
  return type(facts) == 'string' and tonumber(string.match(facts, 'connected_slaves:(%d+)')) or 0
end

