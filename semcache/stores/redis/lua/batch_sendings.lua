if not is_there() then return false end
local found = {}
for at, marker in ipairs(redis.call('LRANGE', base .. ':sent', 0, -1)) do
  found[at] = redis.call('HGET', base .. ':sendings', marker)
end
return found
