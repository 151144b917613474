-- A row that is about to be written: whoever crashes between leaves it findable. How many exemplar ids to give out comes
-- second. Returns the first of them, or the row of another entry that has this id.
local row, wanted = cjson.decode(ARGV[1]), tonumber(ARGV[2])
local number = redis.call('HGET', base .. ':ids', row.i)
local old, stored = nil, nil
if number then old, stored = row_of(number) end
if old and (old.s ~= row.s or old.k ~= row.k) then return { 0, stored } end
register(row.n, row.s)
local first = numbered(wanted)
if not old then
  number = string.format('%012x', redis.call('INCR', base .. ':last_number'))
  redis.call('HSET', base .. ':ids', row.i, number)
  redis.call('HSET', base .. ':rows', number, ARGV[1])
end
index(number, row)
for id = first, first + wanted - 1 do redis.call('HSET', base .. ':exemplars', id, row.s .. ':' .. row.k) end
return { first, '' }
