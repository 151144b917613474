-- Forget entries: id and the revision up to which it may be forgotten, alternating.
for place = 1, #ARGV, 2 do
  local number = redis.call('HGET', base .. ':ids', ARGV[place])
  local row = number and row_of(number)
  if row and tonumber(row.r) <= tonumber(ARGV[place + 1]) then drop(number, row) end
end
