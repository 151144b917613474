local current = redis.call('HGET', base .. ':meta', 'gen')
if not current then return grown('gen') end
redis.call('EXPIRE', base .. ':meta', KEPT_SECONDS)
return current
