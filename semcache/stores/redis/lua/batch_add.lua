-- First place, state, then custom id and params of each.
if not is_there() then return 0 end
local place = tonumber(ARGV[1])
for at = 3, #ARGV, 2 do
  redis.call('HSET', base .. ':ids', place, ARGV[at])
  redis.call('HSET', base .. ':params', place, ARGV[at + 1])
  enter(place, ARGV[2])
  place = place + 1
end
return 1
