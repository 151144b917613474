-- What the scripts of a lease share. KEYS[1] is its hash: owner, fence, until, and the answer that is being stored.
local function now(given)
  if given ~= '' then return tonumber(given) end
  local parts = redis.call('TIME')
  return parts[1] + parts[2] / 1000000
end

local function is_lost(owner, fence)
  local held = redis.call('HMGET', KEYS[1], 'owner', 'fence')
  return held[1] ~= owner or held[2] ~= fence
end

-- It outlives its end, so that whoever follows a dead holder raises the fence; a day later nobody waits any more.
local function keep(time, seconds)
  redis.call('HSET', KEYS[1], 'until', string.format('%.17g', time + seconds))
  redis.call('EXPIRE', KEYS[1], math.ceil(seconds) + 86400)
end
