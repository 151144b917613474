-- The numbers and rows of entries by id; '' where there is none.
local found = {}
for place, id in ipairs(ARGV) do
  local number = redis.call('HGET', base .. ':ids', id) or ''
  found[2 * place - 1] = number
  found[2 * place] = redis.call('HGET', base .. ':rows', number) or ''
end
return found
