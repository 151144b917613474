-- The register of batches, in a slot of its own: id, credential, time of acceptance.
local number = redis.call('INCR', KEYS[1] .. ':last')
redis.call('ZADD', KEYS[1] .. ':all', number, ARGV[1])
redis.call('ZADD', KEYS[1] .. ':open', number, ARGV[1])
redis.call('ZADD', KEYS[1] .. ':of:' .. ARGV[2], number, ARGV[1])
redis.call('ZADD', KEYS[1] .. ':kept', ARGV[3], ARGV[1])
redis.call('HSET', KEYS[1] .. ':owners', ARGV[1], ARGV[2])
