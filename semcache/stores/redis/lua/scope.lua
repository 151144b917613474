-- What the scripts of a scope share. All keys begin with KEYS[1], the hash tag of the scope, so they lie in one slot.
-- ARGV[1] says whether this server has vector sets, ARGV[2] is an injected time ('' for the server's own clock).
--   :meta         hash: gen (invalidations), rev (changes); both start at the microsecond, so that they never repeat
--   :e:KEY        hash of an entry: i id, h head, q question, m message, t expiry, n hits, l last hit, w heat,
--                 r revision, a revision of the answer, x:ID one exemplar each
--   :a:KEY        sorted set of the exemplars that are aliases with this exact key
--   :l:SPACE      sorted set of the entries that have exemplars in an embedding space, by expiry
--   :v:SPACE      vector set of ID:KEY, and :z:SPACE the set of those whose vector is zero
--   :j:SPACE      the journal: sorted set of ID:KEY, zero or not, by the revision that brought it. A release that keeps
--                 none may write too: what :meta says besides tells whether a journal can be lacking something (`journal`)
--   :meta         jrev: equal to rev for as long as all who changed the scope kept its journals. brev: the same since a
--                 journal began to be made up for, builder who does, spaces whose journals were (none: no need was seen)
local base, has_vectors = KEYS[1], ARGV[1] == '1'
local KEPT_SECONDS = 30 * 86400  -- how long an idle scope is remembered; longer than any answer takes

local function micros()
  local time = redis.call('TIME')
  return time[1] * 1000000 + time[2]
end

local function now()
  if ARGV[2] ~= '' then return tonumber(ARGV[2]) end
  return micros() / 1000000
end

local function whole(number) return string.format('%.0f', number) end

local function grown(field)
  local held = redis.call('HMGET', base .. ':meta', field, 'jrev', 'brev')
  local new = whole(math.max(tonumber(held[1] or '0') + 1, micros()))
  local words = { field, new }
  if field == 'rev' and held[2] == held[1] then words[#words + 1], words[#words + 2] = 'jrev', new end
  if field == 'rev' and held[3] and held[3] == held[1] then words[#words + 1], words[#words + 2] = 'brev', new end
  redis.call('HSET', base .. ':meta', unpack(words))
  redis.call('EXPIRE', base .. ':meta', KEPT_SECONDS)
  return new
end

local function at_entry(key) return base .. ':e:' .. key end

local function is_after(expiry, time) return expiry == 'inf' or tonumber(expiry) > time end

local function combined(heat, other)
  local high, low = math.max(heat, other), math.min(heat, other)
  if low <= high - 60 then return high end
  return high + math.log(1 + 2 ^ (low - high)) / math.log(2)
end

local function spelled(number) return string.format('%.17g', number) end

-- Exemplars: SPACE:LABEL:IS_ZERO:KEY_LENGTH:VECTOR_LENGTH: and then key, vector, and what only Python reads.

local function parsed(blob)
  local space, label, zero, key_length, vector_length, start =
    string.match(blob, '^(%w*):(%d):(%d):(%d+):(%d+):()')
  local after = start + key_length
  return {
    space = space, is_zero = zero == '1', alias = string.sub(blob, start, after - 1),
    is_positive = label == '1', vector = string.sub(blob, after, after + vector_length - 1),
  }
end

local function exemplar_ids(key)
  local ids = {}
  for _, field in ipairs(redis.call('HKEYS', at_entry(key))) do
    if string.sub(field, 1, 2) == 'x:' then ids[#ids + 1] = string.sub(field, 3) end
  end
  return ids
end

local function outlive(key, expiry)  -- keep a shared key at least as long as this expiry asks for
  local left = redis.call('PTTL', key)
  if expiry == '' then
    redis.call('PERSIST', key)
  elseif left >= 0 and left < expiry - micros() / 1000 then
    redis.call('PEXPIREAT', key, expiry)
  end
end

local function forget_vector(space, element)
  if not has_vectors then return end
  redis.call('VREM', base .. ':v:' .. space, element)
  redis.call('SREM', base .. ':z:' .. space, element)
  redis.call('ZREM', base .. ':j:' .. space, element)
end

local function attach(key, id, blob, dies_at, revision)
  local exemplar, element = parsed(blob), id .. ':' .. key
  redis.call('HSET', at_entry(key), 'x:' .. id, blob)
  redis.call('ZADD', base .. ':l:' .. exemplar.space, redis.call('HGET', at_entry(key), 't'), key)
  if exemplar.is_positive and exemplar.alias ~= '' then
    local aliases = base .. ':a:' .. exemplar.alias
    local is_new = redis.call('EXISTS', aliases) == 0
    redis.call('ZADD', aliases, id, element)
    if is_new and dies_at ~= '' then redis.call('PEXPIREAT', aliases, dies_at) else outlive(aliases, dies_at) end
  end
  if not has_vectors then return end
  redis.call('ZADD', base .. ':j:' .. exemplar.space, revision, element)
  if exemplar.is_zero then
    redis.call('SADD', base .. ':z:' .. exemplar.space, element)
  else
    redis.call('VADD', base .. ':v:' .. exemplar.space, 'FP32', exemplar.vector, element, 'Q8')
  end
end

local function detach(key, id)
  local blob = redis.call('HGET', at_entry(key), 'x:' .. id)
  if not blob then return false end
  local exemplar, element = parsed(blob), id .. ':' .. key
  redis.call('HDEL', at_entry(key), 'x:' .. id)
  if exemplar.alias ~= '' then redis.call('ZREM', base .. ':a:' .. exemplar.alias, element) end
  forget_vector(exemplar.space, element)
  for _, other in ipairs(exemplar_ids(key)) do
    local kept = redis.call('HGET', at_entry(key), 'x:' .. other)
    if parsed(kept).space == exemplar.space then return true end
  end
  redis.call('ZREM', base .. ':l:' .. exemplar.space, key)
  return true
end

local function detach_all(key)
  for _, id in ipairs(exemplar_ids(key)) do detach(key, id) end
end

local function dies_at(key)  -- when Redis itself may forget it, in milliseconds; '' never
  local left = redis.call('PTTL', at_entry(key))
  return left < 0 and '' or whole(micros() / 1000 + left)
end

local function summary(key)  -- what the catalogue keeps of an entry
  local held = redis.call('HMGET', at_entry(key), 'h', 't', 'n', 'w', 'r', 'a')
  for _, id in ipairs(exemplar_ids(key)) do
    held[#held + 1] = parsed(redis.call('HGET', at_entry(key), 'x:' .. id)).space .. ':' .. id
  end
  return held
end

local function whole_entry(key)
  local held = redis.call('HMGET', at_entry(key), 'h', 'q', 'm', 't', 'n', 'l')
  held[6] = held[6] or ''
  return held
end

local function fetched(first)  -- exemplars by id and key of their entry, from this argument on: see `fetch`
  local found, places = {}, {}
  for place = first, #ARGV, 2 do
    local id, key = ARGV[place], ARGV[place + 1]
    local blob = redis.call('HGET', at_entry(key), 'x:' .. id)
    if blob then
      if not places[key] then
        found[#found + 1] = whole_entry(key)
        places[key] = found[#found]
      end
      local held = places[key]
      held[#held + 1], held[#held + 2] = id, blob
    end
  end
  return found
end

local function is_live(key, id, time)
  local held = redis.call('HMGET', at_entry(key), 'i', 't')
  return held[1] and (id == '' or held[1] == id) and is_after(held[2], time)
end
