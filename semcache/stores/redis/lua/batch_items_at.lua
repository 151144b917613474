if not is_there() then return false end
local found = {}
for at, place in ipairs(ARGV) do found[at] = item(place) end
return found
