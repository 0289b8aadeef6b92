-- What has become of leaders, for those who wait for them. A leader whose worker is not alive is removed.
--
-- KEYS: workers
-- ARGV: 1 prefix of the leaders   2 prefix of the feeds   3 prefix of the answers   4 records kept in a feed
--       5 lifetime of an answer in ms   6 the answer of a leader that lapsed
--       7... of each: shard, leader (`worker/rest`)
-- Returns for each: '' it lives, its answer, or nil: nothing is known of it.
local clock = redis.call('TIME')
local now = clock[1] * 1000 + math.floor(clock[2] / 1000)
local replies = {}
for i = 7, #ARGV, 2 do
  local shard, leader = ARGV[i], ARGV[i + 1]
  local reply = ''
  if redis.call('HEXISTS', ARGV[1] .. shard, leader) == 1 then
    local deadline = redis.call('ZSCORE', KEYS[1], string.match(leader, '^(.*)/') or leader)
    if not deadline or tonumber(deadline) <= now then
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
end
return replies
