-- How many live entries a credential created since then: time or '', credential, since.
local time, live = now(ARGV[1]), 0
for _, number in ipairs(redis.call('ZRANGEBYSCORE', base .. ':by_credential:' .. ARGV[2], ARGV[3], '+inf')) do
  local expiry, row = redis.call('ZSCORE', base .. ':by_expiry', number), row_of(number)
  if row and row.p ~= 1 and (not expiry or tonumber(expiry) > time) then live = live + 1 end
end
return live
