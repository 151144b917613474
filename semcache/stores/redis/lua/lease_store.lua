-- Time or '', owner, fence, seconds, name of an answer: whether that answer, and no other, may be stored under it.
if is_lost(ARGV[2], ARGV[3]) then return 0 end
local answer = redis.call('HGET', KEYS[1], 'answer')
if answer and answer ~= ARGV[5] then return 0 end
redis.call('HSET', KEYS[1], 'answer', ARGV[5])
keep(now(ARGV[1]), ARGV[4])
return 1
