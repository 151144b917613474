forget(PARTS)
forget_states(ARGV[1])
