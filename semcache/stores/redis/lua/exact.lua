-- The live entry of a key, or of the newest alias with it.
local key, time = ARGV[3], now()
if is_live(key, '', time) then return whole_entry(key) end
if key == '' then return {} end
local aliases = base .. ':a:' .. key
for _, element in ipairs(redis.call('ZREVRANGE', aliases, 0, -1)) do
  local id, owner = string.match(element, '^(%d+):(.*)$')
  if redis.call('HEXISTS', at_entry(owner), 'x:' .. id) == 0 then
    redis.call('ZREM', aliases, element)
  elseif is_live(owner, '', time) then
    return whole_entry(owner)
  end
end
return {}
