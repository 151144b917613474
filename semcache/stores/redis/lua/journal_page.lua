-- The space, the last row that was read and its score ('' at first), and how many: the same of the last of these rows ('' at
-- the end), and the rows. Others may have been removed meanwhile, so places do not count: the one that was last may be gone.
local space, last, score, most = ARGV[3], ARGV[4], ARGV[5], tonumber(ARGV[6])
local journal, start = base .. ':j:' .. space, 0
if last ~= '' then
  local rank = redis.call('ZRANK', journal, last)
  start = rank and rank + 1 or redis.call('ZCOUNT', journal, '-inf', '(' .. score)
end
local elements = redis.call('ZRANGE', journal, start, start + most - 1)
last, score = '', ''
if #elements == most then
  last = elements[most]
  score = redis.call('ZSCORE', journal, last)
end
return { last, score, rows_of(space, elements) }
