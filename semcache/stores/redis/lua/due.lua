-- The rows of entries past their time, the longest first: the time or '', how many.
local found = {}
local numbers = redis.call('ZRANGEBYSCORE', base .. ':by_expiry', '-inf', string.format('%.17g', now(ARGV[1])),
  'LIMIT', 0, ARGV[2])
for place, number in ipairs(numbers) do found[place] = redis.call('HGET', base .. ':rows', number) or '' end
return found
