if redis.call('HGET', base .. ':record', 'state') ~= ARGV[2] then return 0 end
redis.call('HSET', base .. ':record', 'state', ARGV[1])
return 1
