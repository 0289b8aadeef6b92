-- The outcomes of leaders, for their followers. A leader is removed once its worker has been without a heartbeat for a
-- while: after Redis was away all heartbeats have expired, and live workers renew at once.
--
-- KEYS: workers, doubted
-- ARGV: 1 prefix of the leaders   2 prefix of the feeds   3 prefix of the answers   4 records kept in a feed
--       5 lifetime of an answer in ms   6 the answer of a leader that lapsed
--       7 ms for which a worker is only in doubt   8... of each: shard, leader (`worker/rest`)
-- Returns for each: '' if it is live, its answer, or nil if it is unknown. If the answers exceed 4 MB together, only
-- for the first ones, at least one.
local clock = redis.call('TIME')
local now = clock[1] * 1000 + math.floor(clock[2] / 1000)
local replies, size = {}, 0

local function is_gone(worker)
  local deadline = redis.call('ZSCORE', KEYS[1], worker)
  if deadline and tonumber(deadline) > now then
    return false
  end
  local lapses = redis.call('HGET', KEYS[2], worker)
  if not lapses then
    -- Removing comes first: Redis lets a script that has begun to write go on even when its memory is full.
    redis.call('HDEL', KEYS[2], worker)
    redis.call('HSET', KEYS[2], worker, string.format('%.0f', now + ARGV[7]))
    redis.call('EXPIRE', KEYS[2], 60)
  end
  return lapses and tonumber(lapses) <= now
end

for i = 8, #ARGV, 2 do
  local shard, leader = ARGV[i], ARGV[i + 1]
  local reply = ''
  if redis.call('HEXISTS', ARGV[1] .. shard, leader) == 1 then
    if is_gone(string.match(leader, '^(.*)/') or leader) then
      redis.call('HDEL', ARGV[1] .. shard, leader)
      redis.call('SET', ARGV[3] .. leader, ARGV[6], 'PX', ARGV[5])
      local newest = redis.call('XREVRANGE', ARGV[2] .. shard, '+', '-', 'COUNT', 1)[1]
      redis.call('XADD', ARGV[2] .. shard, 'MAXLEN', '~', ARGV[4], '*', 'after', newest and newest[1] or '0-0',
        'ended', leader, 'share', 'none', 'reusable', 0)
      reply = ARGV[6]
    end
  else
    reply = redis.call('GET', ARGV[3] .. leader)
  end
  replies[#replies + 1] = reply
  size = size + (reply and #reply or 0)
  if size > 4194304 then
    break
  end
end
return replies
