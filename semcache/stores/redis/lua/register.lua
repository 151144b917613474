-- A namespace, a scope in it: so that an invalidation reaches whoever is asking for an answer now.
register(ARGV[1], ARGV[2])
