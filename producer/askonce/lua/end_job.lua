-- Shared by scripts that end finished jobs: loaded in front of them.
--
-- keys: 1 leases:interactive 2 leases:bulk 3 tokens:interactive 4 tokens:bulk 5 load
-- lane: 1 or 2   questions: how many it counts for in the load   prefixes: of the job records, of arq's counts of tries
-- Returns 1, or 0 if another worker has the lease.
local function end_job(keys, lane, job, token, questions, prefixes)
  local state = redis.call('HGET', keys[2 + lane], job)
  if not state or string.match(state, '^%S+') ~= token then
    return 0
  end
  redis.call('ZREM', keys[lane], job)
  redis.call('HDEL', keys[2 + lane], job)
  redis.call('DEL', prefixes[1] .. job, prefixes[2] .. job)
  if questions ~= '0' then
    redis.call('HINCRBY', keys[5], lane == 1 and 'interactive' or 'bulk', '-' .. questions)
  end
  return 1
end

