-- Shortens the life of results that were received.
--
-- ARGV: 1 prefix of the result keys (without namespace)   2 what is left to them in ms   3... namespace:job id of each
for i = 3, #ARGV do
  redis.call('PEXPIRE', ARGV[1] .. ARGV[i], ARGV[2])
end
return #ARGV - 2
