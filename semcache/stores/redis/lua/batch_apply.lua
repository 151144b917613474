-- A change, as counted lists: states (place, state), behind (place, leader), shaped (place, shape, content, twin key),
-- results (place, line), sendings (marker, JSON, upstream id or '').
if not is_there() then return 0 end
local at = 1

local function each(width, act)
  local count = tonumber(ARGV[at])
  at = at + 1
  for _ = 1, count do
    act(at)
    at = at + width
  end
end

each(2, function(i) enter(ARGV[i], ARGV[i + 1]) end)
each(2, function(i) redis.call('HSET', base .. ':behind', ARGV[i], ARGV[i + 1]) end)
each(4, function(i)
  redis.call('HSET', base .. ':shapes', ARGV[i], ARGV[i + 1])
  redis.call('HSET', base .. ':shaped', ARGV[i], ARGV[i + 2])
  if ARGV[i + 3] ~= '' then
    local first = redis.call('HGET', base .. ':twins', ARGV[i + 3])
    if not first or tonumber(first) > tonumber(ARGV[i]) then redis.call('HSET', base .. ':twins', ARGV[i + 3], ARGV[i]) end
  end
end)
each(2, function(i)
  redis.call('HSET', base .. ':results', ARGV[i], ARGV[i + 1])
  redis.call('ZADD', base .. ':done', ARGV[i], ARGV[i])
end)
each(3, function(i)
  if redis.call('HSET', base .. ':sendings', ARGV[i], ARGV[i + 1]) == 1 then
    redis.call('RPUSH', base .. ':sent', ARGV[i])
  end
  if ARGV[i + 2] ~= '' then redis.call('SADD', base .. ':upstream', ARGV[i + 2]) end
end)
return 1
