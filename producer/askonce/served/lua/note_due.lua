-- Records when a server may next take a batch of a namespace, after its open batches have changed.
local function note_due(due, open, namespace)
  local first = redis.call('ZRANGE', open, 0, 0, 'WITHSCORES')
  if first[1] then
    redis.call('ZADD', due, first[2], namespace)
  else
    redis.call('ZREM', due, namespace)
  end
end
