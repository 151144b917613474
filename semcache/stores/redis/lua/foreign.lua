-- How many exemplars are of another space than this.
local found, all = 0, redis.call('HGETALL', base .. ':totals')
for place = 1, #all, 2 do
  if string.sub(all[place], 1, 2) == 'x:' and string.sub(all[place], 3) ~= ARGV[1] then
    found = found + tonumber(all[place + 1])
  end
end
return found
