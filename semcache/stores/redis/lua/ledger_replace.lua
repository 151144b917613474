-- Rows in the place of all from one time to before another ('' and '': of none), in one step: then time and row of each.
-- Returns how many went.
local by_time, rows, gone = KEYS[1] .. ':by_time', KEYS[1] .. ':rows', {}
if ARGV[1] ~= '' then gone = redis.call('ZRANGEBYSCORE', by_time, ARGV[1], '(' .. ARGV[2]) end
for _, number in ipairs(gone) do
  redis.call('HDEL', rows, number)
  redis.call('ZREM', by_time, number)
end
for place = 3, #ARGV, 2 do
  local number = redis.call('INCR', KEYS[1] .. ':last')
  redis.call('HSET', rows, number, ARGV[place + 1])
  redis.call('ZADD', by_time, ARGV[place], number)
end
return #gone
