-- KEY, id and revision of the duplicate, KEY and id of the other, then the exemplars that go over: id, blob.
local key, id, into = ARGV[3], ARGV[4], ARGV[6]
local time = now()
if not is_live(key, id, time) or not is_live(into, ARGV[7], time) then return { 'none' } end
if redis.call('HGET', at_entry(key), 'r') ~= ARGV[5] then return { 'moved' } end
local gone = redis.call('HMGET', at_entry(key), 'n', 'l', 'w')
local kept = redis.call('HMGET', at_entry(into), 'l', 'w')
local revision = grown('rev')
detach_all(key)
redis.call('DEL', at_entry(key))
local last = kept[1]
if gone[2] and (not last or tonumber(gone[2]) > tonumber(last)) then last = gone[2] end
redis.call('HINCRBY', at_entry(into), 'n', gone[1])
if last then redis.call('HSET', at_entry(into), 'l', last) end
redis.call('HSET', at_entry(into), 'w', spelled(combined(tonumber(kept[2]), tonumber(gone[3]))), 'r', revision)
local until_when = dies_at(into)
for place = 8, #ARGV, 2 do attach(into, ARGV[place], ARGV[place + 1], until_when, revision) end
return { 'merged', revision, whole_entry(into), summary(into) }
