-- Records a person's verdict on a match, and corrects what was counted for it before.
--
-- KEYS: people, labels, waiting, ledger, records, agreement
-- ARGV: 1 pair   2 `right` or `wrong`   3 the person's earlier verdict that the rest assumes, '' for none
--       4 '1' if the match waits for it   5 the label   6 its record, or ''   7 seconds for which all is kept
--       8 prefix of the sums of an hour   9 most pairs with a verdict   10 most labels
--       11 how many fields of the ledger, then field, value of each; then so of the hour's sums, and of the agreement
-- Returns 1, 0 if it repeats the earlier verdict, -1 if another verdict came in between: nothing is done.
local known = redis.call('HGET', KEYS[1], ARGV[1]) or ''
if known == ARGV[2] then
  return 0
elseif known ~= ARGV[3] or (ARGV[4] == '1') ~= (redis.call('HEXISTS', KEYS[3], ARGV[1]) == 1) then
  return -1
end
-- Removing comes first: Redis lets a script that has begun to write go on even when its memory is full.
redis.call('HDEL', KEYS[3], ARGV[1])
if known == '' and redis.call('HLEN', KEYS[1]) >= tonumber(ARGV[9]) then
  redis.call('HDEL', KEYS[1], redis.call('HRANDFIELD', KEYS[1]))
end
redis.call('HSET', KEYS[1], ARGV[1], ARGV[2])
redis.call('XADD', KEYS[2], 'MAXLEN', '~', ARGV[10], '*', 'label', ARGV[5])

local at = 10
local function take()
  at = at + 1
  return ARGV[at]
end
local function add_all(key, there)
  for _ = 1, take() do
    local field, value = take(), take()
    if there then
      redis.call('HINCRBYFLOAT', key, field, value)
    end
  end
end
-- Without an error budget there are no ledgers, and nothing is learnt.
local decided = redis.call('EXISTS', KEYS[4]) == 1
add_all(KEYS[4], decided)
if decided and ARGV[6] ~= '' then
  redis.call('XADD', KEYS[5], 'MAXLEN', '~', 8000, '*', 'record', ARGV[6])
  redis.call('EXPIRE', KEYS[5], ARGV[7])
end
local hour = ARGV[8] .. math.floor(redis.call('TIME')[1] / 3600)
add_all(hour, true)
redis.call('EXPIRE', hour, ARGV[7])
add_all(KEYS[6], true)
return 1
