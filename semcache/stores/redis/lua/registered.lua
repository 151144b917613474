-- The scopes of these namespaces; of all, where none is named.
local names, found = ARGV, {}
if #names == 0 then names = redis.call('SMEMBERS', base .. ':namespaces') end
for _, namespace in ipairs(names) do
  for _, scope in ipairs(redis.call('ZRANGE', base .. ':registered:' .. namespace, 0, -1)) do
    found[#found + 1] = scope
  end
end
return found
