-- After which place, how many: place and line of each.
if not is_there() then return false end
local found = {}
for at, place in ipairs(redis.call('ZRANGEBYSCORE', base .. ':done', '(' .. ARGV[1], '+inf', 'LIMIT', 0, ARGV[2])) do
  found[at] = { tonumber(place), redis.call('HGET', base .. ':results', place) }
end
return found
