if not is_there() then return false end
return { redis.call('HGET', base .. ':twins', ARGV[1]) or '' }
