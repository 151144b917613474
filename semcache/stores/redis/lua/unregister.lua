-- Forget scopes that nobody has touched for so many seconds: longer than any answer takes.
local before = redis.call('TIME')[1] - ARGV[1]
for _, namespace in ipairs(redis.call('SMEMBERS', base .. ':namespaces')) do
  local key = base .. ':registered:' .. namespace
  redis.call('ZREMRANGEBYSCORE', key, '-inf', before)
  if redis.call('EXISTS', key) == 0 then redis.call('SREM', base .. ':namespaces', namespace) end
end
