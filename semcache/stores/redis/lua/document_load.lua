-- Content and version of a name.
return {
  redis.call('HGET', KEYS[1] .. ':content', ARGV[1]) or '', tonumber(redis.call('HGET', KEYS[1] .. ':versions', ARGV[1]) or '0'),
}
