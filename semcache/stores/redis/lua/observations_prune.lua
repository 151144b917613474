-- All but the newest so many go: kind, namespace, how many stay. Returns how many went.
local own = KEYS[1] .. ':of:' .. ARGV[1] .. ':' .. ARGV[2]
local numbers = redis.call('ZREVRANGE', own, ARGV[3], -1)
for _, number in ipairs(numbers) do
  redis.call('HDEL', KEYS[1] .. ':rows', number)
  redis.call('ZREM', own, number)
  redis.call('ZREM', KEYS[1] .. ':of:' .. ARGV[1], number)
end
return #numbers
