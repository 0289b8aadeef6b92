-- Stores summaries of scopes, for explaining why there is no hit. If it cannot, nothing else is held up.
--
-- Uses: nearly_full
--
-- ARGV: 1 prefix of the keys   2... of each: scope id, record, lifetime in ms
if nearly_full() then
  return 0
end
for i = 2, #ARGV, 3 do
  redis.pcall('SET', ARGV[1] .. ARGV[i], ARGV[i + 1], 'PX', ARGV[i + 2])
end
return 1
