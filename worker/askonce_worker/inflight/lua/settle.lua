-- Settles leaders.
--
-- Uses: settle_leader
--
-- ARGV: 1 prefix of the leaders   2 prefix of the feeds   3 prefix of the answers   4 records kept in a feed
--       5 lifetime of an answer in ms
--       6... of each: shard, leader, share, ms for which later questions may use it, answer
-- Returns for each: 1 settled, 0 no longer a leader.
local clock, replies = redis.call('TIME'), {}
for i = 6, #ARGV, 5 do
  replies[#replies + 1] = settle_leader(clock, ARGV[1], ARGV[2], ARGV[3], ARGV[4], ARGV[5], unpack(ARGV, i, i + 4))
end
return replies
