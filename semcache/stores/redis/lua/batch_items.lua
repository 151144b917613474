-- After which place, how many, then names of states: requests in one of them, in order of place.
if not is_there() then return false end
local places, found = {}, {}
for at = 3, #ARGV do
  for _, place in ipairs(
    redis.call('ZRANGEBYSCORE', base .. ':in:' .. ARGV[at], '(' .. ARGV[1], '+inf', 'LIMIT', 0, ARGV[2])) do
    places[#places + 1] = tonumber(place)
  end
end
table.sort(places)
for at = 1, math.min(#places, tonumber(ARGV[2])) do found[at] = item(places[at]) end
return found
