-- An invalidation goes through where memory is full: Redis refuses a script only at its first write, if that is one that
-- takes memory.
redis.call('EXPIRE', base .. ':meta', KEPT_SECONDS)
return grown('gen')
