-- Time or '', owner, seconds: whether it is the owner's now, who has it, its fence. It outlives its end, so that
-- whoever follows a dead holder raises the fence; a day later nobody waits any more.
local time = ARGV[1]
if time == '' then
  local parts = redis.call('TIME')
  time = parts[1] + parts[2] / 1000000
else
  time = tonumber(time)
end
local held = redis.call('HMGET', KEYS[1], 'owner', 'fence', 'until')
local fence = 1
if held[1] == ARGV[2] then
  fence = tonumber(held[2])
elseif held[1] then
  if tonumber(held[3]) > time then return { 0, held[1], tonumber(held[2]) } end
  fence = tonumber(held[2]) + 1
end
redis.call('HSET', KEYS[1], 'owner', ARGV[2], 'fence', fence, 'until', string.format('%.17g', time + ARGV[3]))
redis.call('HDEL', KEYS[1], 'answer')
redis.call('EXPIRE', KEYS[1], math.ceil(ARGV[3]) + 86400)
return { 1, ARGV[2], fence }
