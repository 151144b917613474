-- What the scripts of the catalogue share. It is derived from the scopes, in one slot: KEYS[1] is its hash tag.
--   :ids          hash: id of an entry → number          :rows    hash: number → row, as JSON
--   :exemplars    hash: id of an exemplar → SCOPE:KEY     :totals  hash, and :scopes hash: SCOPE → entries
--   :by_number :by_age :by_hits :by_expiry :by_worth, :by_namespace:N :by_tag:T :by_credential:C  sorted sets of numbers
--   :namespaces   set, and :registered:N sorted set of scopes by when they were last touched
-- A row: i id, s scope, n namespace, k key, g tags, f credential, c created, e expiry, w worth, b bytes, q is FAQ,
-- h hits, x {SPACE:ID}, r revision, p is pending: announced, but perhaps not written yet.
local base = KEYS[1]

local function now(given)
  if given ~= '' then return tonumber(given) end
  local time = redis.call('TIME')
  return time[1] + time[2] / 1000000
end

local function row_of(number)
  local stored = redis.call('HGET', base .. ':rows', number)
  return stored and cjson.decode(stored), stored
end

local function indexes(row)  -- pairs of an index and the score in it
  local found = {
    { ':by_age', row.c }, { ':by_namespace:' .. row.n, row.c },
    { ':by_hits', row.p ~= 1 and row.h or nil },
    { ':by_expiry', row.e ~= 'inf' and row.e or nil }, { ':by_worth', row.q == 0 and row.w or nil },
  }
  if row.f ~= '' then found[#found + 1] = { ':by_credential:' .. row.f, row.c } end
  for _, tag in ipairs(row.g) do found[#found + 1] = { ':by_tag:' .. tag, row.c } end
  return found
end

local function index(number, row)
  redis.call('ZADD', base .. ':by_number', tonumber(number, 16), number)
  for _, each in ipairs(indexes(row)) do
    if each[2] then redis.call('ZADD', base .. each[1], each[2], number) end
  end
  for _, exemplar in ipairs(row.x) do
    redis.call('HSET', base .. ':exemplars', string.match(exemplar, ':(%d+)$'), row.s .. ':' .. row.k)
  end
end

local function unindex(number, row)
  for _, each in ipairs(indexes(row)) do redis.call('ZREM', base .. each[1], number) end
  for _, exemplar in ipairs(row.x) do
    redis.call('HDEL', base .. ':exemplars', string.match(exemplar, ':(%d+)$'))
  end
end

local function add(field, number)
  if number ~= 0 then redis.call('HINCRBY', base .. ':totals', field, number) end  -- Redis 7 takes Lua's -0 for no number
end

local function count(row, sign)
  if row.p == 1 then return end
  add('entries', sign)
  add('faq', sign * row.q)
  add('bytes', sign * row.b)
  add('hits', sign * row.h)
  for _, exemplar in ipairs(row.x) do add('x:' .. string.match(exemplar, '^(%w*):'), sign) end
  if redis.call('HINCRBY', base .. ':scopes', row.s, sign) <= 0 then redis.call('HDEL', base .. ':scopes', row.s) end
end

local function drop(number, row)
  redis.call('ZREM', base .. ':by_number', number)  -- a first write that takes no memory
  unindex(number, row)
  count(row, -1)
  redis.call('HDEL', base .. ':rows', number)
  redis.call('HDEL', base .. ':ids', row.i)
end

local function register(namespace, scope)
  redis.call('SADD', base .. ':namespaces', namespace)
  redis.call('ZADD', base .. ':registered:' .. namespace, redis.call('TIME')[1], scope)
end

local function numbered(count)  -- the first of so many ids of exemplars. They start at the microsecond, as revisions do
  local time = redis.call('TIME')  -- so none is given twice, not even by a server that has lost what it gave
  local last = math.max(tonumber(redis.call('GET', base .. ':last_exemplar') or '0'), time[1] * 1000000 + time[2])
  redis.call('SET', base .. ':last_exemplar', string.format('%.0f', last + count))
  return last + 1
end

local function total(field) return tonumber(redis.call('HGET', base .. ':totals', field) or '0') end
