if is_there() then redis.call('HSET', base .. ':record', 'state', ARGV[1], 'total', ARGV[2]) end
