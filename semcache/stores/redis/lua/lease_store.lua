-- Time or '', owner, fence, seconds, name of an answer: whether that answer, and no other, may be stored under it.
local held = redis.call('HMGET', KEYS[1], 'owner', 'fence', 'answer')
if held[1] ~= ARGV[2] or held[2] ~= ARGV[3] or (held[3] and held[3] ~= ARGV[5]) then return 0 end
local time = ARGV[1]
if time == '' then
  local parts = redis.call('TIME')
  time = parts[1] + parts[2] / 1000000
else
  time = tonumber(time)
end
redis.call('HSET', KEYS[1], 'until', string.format('%.17g', time + ARGV[4]), 'answer', ARGV[5])
redis.call('EXPIRE', KEYS[1], math.ceil(ARGV[4]) + 86400)
return 1
