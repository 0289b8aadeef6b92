-- Increments one epoch counter, which invalidates everything stored under its old value.
--
-- Uses: replicas
--
-- KEYS: epochs
-- ARGV: 1 field
-- Returns how many replicas are connected, -1 if Redis does not tell.

-- Removing comes first: a script whose first write takes no memory may go on even when Redis is full.
redis.call('HDEL', KEYS[1], '')
redis.call('HINCRBY', KEYS[1], ARGV[1], 1)
return replicas()
