-- The server's microsecond, the id of what is stored under a key ('' for nothing), and the generation ('' for none).
return {
  whole(micros()), redis.call('HGET', at_entry(ARGV[3]), 'i') or '', redis.call('HGET', base .. ':meta', 'gen') or '',
}
