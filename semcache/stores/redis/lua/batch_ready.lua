-- Name of a state, how many: requests in it that wait for no other, in order of place.
if not is_there() then return false end
local found, most, start = {}, tonumber(ARGV[2]), 0
while #found < most do
  local some = redis.call('ZRANGE', base .. ':in:' .. ARGV[1], start, start + 499)
  if #some == 0 then break end
  for _, place in ipairs(some) do
    local behind = redis.call('HGET', base .. ':behind', place)
    if #found < most and (not behind or ENDED[state_name(behind)]) then found[#found + 1] = item(place) end
  end
  start = start + 500
end
return found
