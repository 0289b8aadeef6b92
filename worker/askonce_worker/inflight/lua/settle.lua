-- Settles leaders: the answer where followers read it, then the end of the leader in its feed. Fenced: a leader
-- that lapsed settles nothing.
--
-- ARGV: 1 prefix of the leaders   2 prefix of the feeds   3 prefix of the answers   4 records kept in a feed
--       5 lifetime of an answer in ms
--       6... of each: shard, leader, share, ms for which later questions may have it, answer
-- The answer is a JSON object; it gets the time of its settling, `at`, in Unix ms.
-- Returns for each: 1 settled, 0 it was no leader any more.
local replies = {}
local clock = redis.call('TIME')
local at = string.format('{"at":%.0f,', clock[1] * 1000 + math.floor(clock[2] / 1000))
for i = 6, #ARGV, 5 do
  local shard, leader = ARGV[i], ARGV[i + 1]
  local settled = redis.call('HDEL', ARGV[1] .. shard, leader)
  if settled == 1 then
    redis.call('SET', ARGV[3] .. leader, at .. string.sub(ARGV[i + 4], 2), 'PX', ARGV[5])
    local newest = redis.call('XREVRANGE', ARGV[2] .. shard, '+', '-', 'COUNT', 1)[1]
    redis.call('XADD', ARGV[2] .. shard, 'MAXLEN', '~', ARGV[4], '*', 'after', newest and newest[1] or '0-0',
      'ended', leader, 'share', ARGV[i + 2], 'reusable', ARGV[i + 3])
  end
  replies[#replies + 1] = settled
end
return replies
