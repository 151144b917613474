-- KEY, id: the entry's summary, {} where it is gone.
if redis.call('HGET', at_entry(ARGV[3]), 'i') ~= ARGV[4] then return {} end
return summary(ARGV[3])
