-- Owner, fence: whether it was not lost.
if is_lost(ARGV[1], ARGV[2]) then return 0 end
return redis.call('DEL', KEYS[1])
