-- Whether a live entry has exemplars in this space.
if not has_vectors then return 0 end
return redis.call('ZCOUNT', base .. ':l:' .. ARGV[3], '(' .. spelled(now()), '+inf')
