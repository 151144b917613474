-- The space, life and revision that were seen, how many rows are held, most news, how many are known; then these and the
-- missing: id, key. Time and revision now, which of the known are gone, rows that are new, the missing as `fetch` finds them;
-- {} where all has to be read anew, also because most of what is held may have been removed.
local space, most, after_known = ARGV[3], tonumber(ARGV[7]), 9 + 2 * ARGV[8]
local here = has_vectors and stand(space)
if not here or here[1] ~= ARGV[4] or tonumber(here[2]) < tonumber(ARGV[5]) then return {} end
if tonumber(ARGV[6]) > 2 * here[3] + most then return {} end
local news, gone = {}, {}
if here[2] ~= ARGV[5] then
  news = redis.call('ZRANGEBYSCORE', base .. ':j:' .. space, '(' .. ARGV[5], '+inf', 'LIMIT', 0, most + 1)
  if #news > most then return {} end
end
for place = 9, after_known - 1, 2 do
  if redis.call('HEXISTS', at_entry(ARGV[place + 1]), 'x:' .. ARGV[place]) == 0 then gone[#gone + 1] = ARGV[place] end
end
return { spelled(now()), here[2], gone, rows_of(space, news), fetched(after_known) }
