-- Make up for a journal that was not kept, some entries a step. The space, who does it ('' to begin) and how far it has come:
-- the same again; '' for who once nothing is left to be done, for it is whole or somebody else does it.
-- Rows get revisions of now, so whoever followed the journal while it was whole finds in them news. A change by somebody
-- who keeps none leaves `brev` behind `rev`: then what was built is not enough, and is begun again some time.
local PATIENCE_MICROS = 60000000  -- a builder who takes longer is dead
local space, builder, cursor, meta = ARGV[3], ARGV[4], ARGV[5], base .. ':meta'
local held = redis.call('HMGET', meta, 'rev', 'brev', 'builder')
if builder == '' then
  local begun = held[3] and string.match(held[3], '^%d+')
  if begun and held[1] == held[2] and micros() - begun < PATIENCE_MICROS then return { '', '' } end
  local revision = grown('rev')
  builder, cursor = revision .. ':' .. life(), '0'  -- in another life, a cursor means something else
  redis.call('HSET', meta, 'brev', revision, 'builder', builder)
elseif held[3] ~= builder or string.match(builder, '%w*$') ~= life() then
  return { '', '' }
end
local entries, revision = redis.call('ZSCAN', base .. ':l:' .. space, cursor, 'COUNT', 50), grown('rev')
for place = 1, #entries[2], 2 do
  local key = entries[2][place]
  for _, id in ipairs(exemplar_ids(key)) do
    if string.match(redis.call('HGET', at_entry(key), 'x:' .. id), '^%w*') == space then
      redis.call('ZADD', base .. ':j:' .. space, 'NX', revision, id .. ':' .. key)
    end
  end
end
if entries[1] ~= '0' then return { builder, entries[1] } end
held = redis.call('HMGET', meta, 'rev', 'jrev', 'brev', 'spaces')
redis.call('HDEL', meta, 'brev', 'builder')
if held[1] == held[3] and held[1] ~= held[2] then redis.call('HSET', meta, 'jrev', held[1], 'spaces', space) end
if held[1] == held[3] and held[1] == held[2] and held[4] then
  redis.call('HSET', meta, 'spaces', held[4] .. ',' .. space)
end
return { '', '' }
