-- Time or '', owner, seconds: whether it is the owner's now, who has it, its fence.
local time = now(ARGV[1])
local held = redis.call('HMGET', KEYS[1], 'owner', 'fence', 'until')
local fence = 1
if held[1] == ARGV[2] then
  fence = tonumber(held[2])
elseif held[1] then
  if tonumber(held[3]) > time then return { 0, held[1], tonumber(held[2]) } end
  fence = tonumber(held[2]) + 1
end
redis.call('HSET', KEYS[1], 'owner', ARGV[2], 'fence', fence)
redis.call('HDEL', KEYS[1], 'answer')
keep(time, ARGV[3])
return { 1, ARGV[2], fence }
