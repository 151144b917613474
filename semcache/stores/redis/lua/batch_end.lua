if not is_there() then return 0 end
redis.call('HSET', base .. ':record', 'state', ARGV[1], 'counts', ARGV[2])
redis.call('HDEL', base .. ':record', 'sealed')
forget({ 'params', 'shaped', 'twins' })
return 1
