-- Exemplars by id and the key of their entry: each of these entries once, with those of its exemplars that exist.
local found, places = {}, {}
for place = 3, #ARGV, 2 do
  local id, key = ARGV[place], ARGV[place + 1]
  local blob = redis.call('HGET', at_entry(key), 'x:' .. id)
  if blob then
    if not places[key] then
      found[#found + 1] = whole_entry(key)
      places[key] = found[#found]
    end
    local held = places[key]
    held[#held + 1], held[#held + 2] = id, blob
  end
end
return found
