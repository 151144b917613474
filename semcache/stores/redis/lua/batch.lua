-- What the scripts of a batch share; all its keys begin with KEYS[1], its hash tag.
--   :record   hash: told, asked, sealed, state, total, counts
--   :ids :states :behind :shapes   hashes by place: custom id, NAME JSON, whom it waits for, prefix and size
--   :in:NAME  sorted set of the places in a state      :params :shaped :results   hashes of texts by place
--   :done     sorted set of the places with results    :twins   hash: twin key → first place
--   :sendings hash: marker → JSON, :sent list of markers, :upstream set of ids
local base = KEYS[1]
local ENDED = { succeeded = true, errored = true, canceled = true, expired = true }
local PARTS = {
  'record', 'ids', 'states', 'behind', 'shapes', 'params', 'shaped', 'results', 'done', 'twins', 'sendings', 'sent',
  'upstream',
}

local function is_there() return redis.call('EXISTS', base .. ':record') == 1 end

local function state_name(place)
  local state = redis.call('HGET', base .. ':states', place)
  return state and string.match(state, '^%w+')
end

local function enter(place, state)
  local before = state_name(place)
  if before then redis.call('ZREM', base .. ':in:' .. before, place) end
  redis.call('HSET', base .. ':states', place, state)
  redis.call('ZADD', base .. ':in:' .. string.match(state, '^%w+'), place, place)
end

local function forget(parts)
  for _, part in ipairs(parts) do redis.call('DEL', base .. ':' .. part) end
end

local function forget_states(names)
  for name in string.gmatch(names, '%w+') do redis.call('DEL', base .. ':in:' .. name) end
end

local function item(place)
  return {
    tonumber(place), redis.call('HGET', base .. ':ids', place), redis.call('HGET', base .. ':states', place),
    redis.call('HGET', base .. ':behind', place) or '', redis.call('HGET', base .. ':shapes', place) or '',
  }
end
