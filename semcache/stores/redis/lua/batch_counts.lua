-- Names of states: how many requests are in each; nothing where there is no batch.
if not is_there() then return false end
local found = {}
for place, name in ipairs(ARGV) do found[place] = redis.call('ZCARD', base .. ':in:' .. name) end
return found
