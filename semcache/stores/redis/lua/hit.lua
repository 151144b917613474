-- KEY, id, hits, time of the last, their heat: the entry's summary, {} where it is gone.
local key, entry = ARGV[3], at_entry(ARGV[3])
local held = redis.call('HMGET', entry, 'i', 'l', 'w')
if held[1] ~= ARGV[4] then return {} end
local last = ARGV[6]
if held[2] and tonumber(held[2]) > tonumber(last) then last = held[2] end
local heat = spelled(combined(tonumber(held[3]), tonumber(ARGV[7])))
local revision = grown('rev')
redis.call('HINCRBY', entry, 'n', ARGV[5])
redis.call('HSET', entry, 'l', last, 'w', heat, 'r', revision)
return summary(key)
