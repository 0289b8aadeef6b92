-- Finishes completed jobs whose lease the caller holds.
--
-- Uses: end_job
--
-- KEYS: 1 leases:interactive 2 leases:bulk 3 tokens:interactive 4 tokens:bulk 5 load
-- ARGV: 1 prefix of the job records   2 prefix of arq's own counts of tries
--       3... of each: lane (1 or 2), job, token, how many questions it counts for
-- Returns for each: 1 finished, 0 another worker has the lease.
local replies = {}
for i = 3, #ARGV, 4 do
  replies[#replies + 1] = end_job(KEYS, tonumber(ARGV[i]), ARGV[i + 1], ARGV[i + 2], ARGV[i + 3], ARGV)
end
return replies
