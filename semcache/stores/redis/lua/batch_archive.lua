-- State, and the names of all states of requests.
if not is_there() then return 0 end
redis.call('HSET', base .. ':record', 'state', ARGV[1])
forget({ 'results', 'done', 'ids', 'states', 'behind', 'shapes' })
forget_states(ARGV[2])
return 1
