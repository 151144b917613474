-- The newest: kind or KIND:NAMESPACE, since ('-inf' for all), how many.
local found = {}
local numbers = redis.call('ZREVRANGEBYSCORE', KEYS[1] .. ':of:' .. ARGV[1], '+inf', ARGV[2], 'LIMIT', 0, ARGV[3])
for place, number in ipairs(numbers) do found[place] = redis.call('HGET', KEYS[1] .. ':rows', number) end
return found
