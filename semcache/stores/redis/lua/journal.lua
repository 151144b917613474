-- What the scripts that follow a scope share. A journal is whole unless somebody changed the scope who keeps none.

local function life()  -- of the server's data: another after a failover, a restart, a move to another shard
  local told = redis.pcall('INFO', 'replication')
  return type(told) == 'string' and string.match(told, 'master_replid:(%w+)') or ''
end

local function stand(space)  -- life, revision and how many rows the journal has; nil: it cannot be followed now
  local held = redis.call('HMGET', base .. ':meta', 'rev', 'jrev', 'spaces')
  local rows, vectors = redis.call('ZCARD', base .. ':j:' .. space), redis.call('VCARD', base .. ':v:' .. space)
  local total = (type(vectors) == 'number' and vectors or 0) + redis.call('SCARD', base .. ':z:' .. space)
  local is_whole = held[1] == held[2] and (not held[3] or string.find(held[3], space, 1, true)) and rows >= total
  local here = life()
  return is_whole and here ~= '' and { here, held[1] or '0', rows } or nil
end

local function rows_of(space, elements)  -- id, key, expiry and vector of each; what has lost its body is forgotten
  local rows = {}
  for _, element in ipairs(elements) do
    local id, key = string.match(element, '^(%d+):(.*)$')
    local held, last = redis.call('HMGET', at_entry(key), 't', 'x:' .. id), #rows
    if held[2] then
      rows[last + 1], rows[last + 2], rows[last + 3], rows[last + 4] = id, key, held[1], parsed(held[2]).vector
    else
      forget_vector(space, element)
    end
  end
  return rows
end
