-- Shortens the lifetime of received results. A question that still waits keeps its lifetime: it may have been submitted
-- again since.
--
-- ARGV: 1 prefix of the result keys (without namespace)   2 their remaining lifetime in ms
--       3 '1' if none can be waiting again: nobody else knows these ids   4... namespace:job id of each
-- Returns how many were shortened.
local after = string.len('{"fingerprint":"') + 43 + string.len('",')
local shortened = 0
for i = 4, #ARGV do
  local key = ARGV[1] .. ARGV[i]
  if ARGV[3] == '1' or redis.pcall('GETRANGE', key, after, after + 9) ~= '"deadline"' then
    shortened = shortened + redis.call('PEXPIRE', key, ARGV[2])
  end
end
return shortened
