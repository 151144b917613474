redis.call('HSET', base .. ':record', 'told', ARGV[1], 'asked', ARGV[2], 'total', 0)
if ARGV[3] == '1' then redis.call('HSET', base .. ':record', 'sealed', ARGV[4]) end
