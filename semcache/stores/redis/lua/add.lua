-- KEY, id, id of the exemplar, blob: the entry's summary, {} where it is gone.
local key = ARGV[3]
if not is_live(key, ARGV[4], now()) then return {} end
local revision = grown('rev')
redis.call('HSET', at_entry(key), 'r', revision)
attach(key, ARGV[5], ARGV[6], dies_at(key), revision)
return summary(key)
