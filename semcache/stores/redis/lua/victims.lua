-- The rows of what has to go: the time or '', most entries and most bytes ('' for no bound), the id that is spared.
local surplus = ARGV[2] == '' and 0 or total('entries') - ARGV[2]
local surplus_bytes = ARGV[3] == '' and 0 or total('bytes') - ARGV[3]
local found, chosen = {}, {}

local function choose(number)
  local row, stored = row_of(number)
  if row and row.q == 0 and row.p ~= 1 and row.i ~= ARGV[4] and not chosen[number] then
    found[#found + 1], chosen[number] = stored, true
    surplus, surplus_bytes = surplus - 1, surplus_bytes - row.b
  end
end

local function is_enough() return surplus <= 0 and surplus_bytes <= 0 end

local time, start = string.format('%.17g', now(ARGV[1])), 0
if is_enough() then return found end
for _, number in ipairs(redis.call('ZRANGEBYSCORE', base .. ':by_expiry', '-inf', time)) do
  if is_enough() then return found end
  choose(number)
end
while not is_enough() do
  local some = redis.call('ZRANGE', base .. ':by_worth', start, start + 99)
  if #some == 0 then break end
  for _, number in ipairs(some) do
    if is_enough() then break end
    choose(number)
  end
  start = start + 100
end
return found
