-- Name, content, and the version it replaces ('' for any): whether it was kept.
if ARGV[3] ~= '' and (redis.call('HGET', KEYS[1] .. ':versions', ARGV[1]) or '0') ~= ARGV[3] then return 0 end
redis.call('HSET', KEYS[1] .. ':content', ARGV[1], ARGV[2])
redis.call('HINCRBY', KEYS[1] .. ':versions', ARGV[1], 1)
return 1
