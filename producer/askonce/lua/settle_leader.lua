-- Shared by scripts that settle leaders: loaded in front of them.
-- Writes the answer where followers read it, then the leader's end into its feed. Fenced: a lapsed leader settles
-- nothing.
--
-- clock: of TIME   leaders, feeds, answers: prefixes   kept: records in a feed   lifetime: of an answer, in ms
-- share   reusable: ms for which later questions may use it   answer: a JSON object; it gets the time it settled, `at`,
-- in Unix ms
-- Returns 1 if settled, 0 if it was no longer a leader.
local function settle_leader(clock, leaders, feeds, answers, kept, lifetime, shard, leader, share, reusable, answer)
  if redis.call('HDEL', leaders .. shard, leader) == 0 then
    return 0
  end
  local at = string.format('{"at":%.0f,', clock[1] * 1000 + math.floor(clock[2] / 1000))
  redis.call('SET', answers .. leader, at .. string.sub(answer, 2), 'PX', lifetime)
  local newest = redis.call('XREVRANGE', feeds .. shard, '+', '-', 'COUNT', 1)[1]
  redis.call('XADD', feeds .. shard, 'MAXLEN', '~', kept, '*', 'after', newest and newest[1] or '0-0',
    'ended', leader, 'share', share, 'reusable', reusable)
  return 1
end
