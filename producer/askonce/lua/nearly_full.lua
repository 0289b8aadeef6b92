-- Shared by scripts that add to Redis: loaded in front of them.
-- Returns whether Redis is nearly full. Then nothing new is accepted or cached, and eviction begins. If a provider has
-- renamed INFO away, only Redis itself knows, and refuses writes.
local function nearly_full()
  local memory = redis.pcall('INFO', 'memory')
  if type(memory) ~= 'string' then
    return false
  end
  local most = tonumber(string.match(memory, '\nmaxmemory:(%d+)'))
  return most > 0 and tonumber(string.match(memory, 'used_memory:(%d+)')) > 0.8 * most
end

