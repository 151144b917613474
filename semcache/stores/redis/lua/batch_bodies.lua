-- Places: place, params and shaped ('' for none) of those that have texts.
if not is_there() then return false end
local found = {}
for _, place in ipairs(ARGV) do
  local params = redis.call('HGET', base .. ':params', place)
  if params then found[#found + 1] = { tonumber(place), params, redis.call('HGET', base .. ':shaped', place) or '' } end
end
return found
