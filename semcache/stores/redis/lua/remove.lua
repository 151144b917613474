-- KEY, id, whether only if expired, then SPACE:ID of its exemplars as the catalogue knows them: what became of it
-- (removed, live, gone), and the revision up to which the catalogue may forget it.
local key, id, entry = ARGV[3], ARGV[4], at_entry(ARGV[3])
local held = redis.call('HMGET', entry, 'i', 't')
redis.call('EXPIRE', base .. ':meta', KEPT_SECONDS)  -- a first write that takes no memory: removing works where it is full
local is_mine = held[1] == id
if is_mine and ARGV[5] == '1' and is_after(held[2], now()) then return { 'live', '0', 1 } end
local was_live = is_mine and is_after(held[2], now())
if is_mine then
  detach_all(key)
  redis.call('DEL', entry)
end
for place = 6, #ARGV do
  local space, exemplar = string.match(ARGV[place], '^(%w*):(%d+)$')
  if redis.call('HEXISTS', entry, 'x:' .. exemplar) == 0 then
    forget_vector(space, exemplar .. ':' .. key)
    if redis.call('EXISTS', entry) == 0 then redis.call('ZREM', base .. ':l:' .. space, key) end
  end
end
return { is_mine and 'removed' or 'gone', grown('rev'), was_live and 1 or 0 }
