-- A row as it was written; one of an older revision changes nothing. Returns how many entries and bytes are held.
redis.call('PERSIST', base .. ':rows')  -- a first write that takes no memory: what was removed is recorded, full or not
local row = cjson.decode(ARGV[1])
local number = redis.call('HGET', base .. ':ids', row.i)
if not number then
  number = string.format('%012x', redis.call('INCR', base .. ':last_number'))
  redis.call('HSET', base .. ':ids', row.i, number)
end
local old = row_of(number)
if not old or tonumber(old.r) <= tonumber(row.r) then
  if old then
    count(old, -1)
    unindex(number, old)
  end
  redis.call('HSET', base .. ':rows', number, ARGV[1])
  index(number, row)
  count(row, 1)
end
return { total('entries'), total('bytes') }
