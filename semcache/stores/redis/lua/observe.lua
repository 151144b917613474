-- Observations: kind, namespace, time and row of each.
for place = 1, #ARGV, 4 do
  local number = string.format('%012x', redis.call('INCR', KEYS[1] .. ':last'))
  redis.call('HSET', KEYS[1] .. ':rows', number, ARGV[place + 3])
  redis.call('ZADD', KEYS[1] .. ':of:' .. ARGV[place], ARGV[place + 2], number)
  redis.call('ZADD', KEYS[1] .. ':of:' .. ARGV[place] .. ':' .. ARGV[place + 1], ARGV[place + 2], number)
end
