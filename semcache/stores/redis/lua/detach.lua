-- KEY, ids of exemplars: how many went, and the summary of what is left.
local key, removed = ARGV[3], 0
for place = 4, #ARGV do
  if detach(key, ARGV[place]) then removed = removed + 1 end
end
if removed == 0 then return { 0, {} } end
redis.call('HSET', at_entry(key), 'r', grown('rev'))
return { removed, summary(key) }
