-- Stores the length of a model's longest answer, until a month after the last increase.
--
-- KEYS: longest answers
-- ARGV: 1 model   2 tokens
if tonumber(redis.call('HGET', KEYS[1], ARGV[1]) or 0) < tonumber(ARGV[2]) then
  redis.call('HSET', KEYS[1], ARGV[1], ARGV[2])
  redis.call('EXPIRE', KEYS[1], 2592000)
end
