-- So many exemplar ids for an entry: id, count. Returns the first.
local wanted = tonumber(ARGV[2])
local first = numbered(wanted)
local row = row_of(redis.call('HGET', base .. ':ids', ARGV[1]) or '')
if row then
  for id = first, first + wanted - 1 do redis.call('HSET', base .. ':exemplars', id, row.s .. ':' .. row.k) end
end
return first
