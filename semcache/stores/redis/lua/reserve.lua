-- So many exemplar ids for an entry: id, count. Returns the first.
local wanted = tonumber(ARGV[2])
local last = redis.call('INCRBY', base .. ':last_exemplar', wanted)
local row = row_of(redis.call('HGET', base .. ':ids', ARGV[1]) or '')
if row then
  for id = last - wanted + 1, last do redis.call('HSET', base .. ':exemplars', id, row.s .. ':' .. row.k) end
end
return last - wanted + 1
