-- KEY, generation or '', the id that stands there by now or '', id, head, question, message, expiry, moment at which
-- Redis may forget it or '', heat of a first and of one more use, hits and last hit; then exemplars: id, blob.
local key, generation, before, id = ARGV[3], ARGV[4], ARGV[5], ARGV[6]
if generation ~= '' and redis.call('HGET', base .. ':meta', 'gen') ~= generation then return { 'overtaken' } end
local entry = at_entry(key)
local old = redis.call('HMGET', entry, 'i', 'n', 'l', 'w', 'a', 'm')
if (old[1] or '') ~= before then return { 'moved' } end
local revision = grown('rev')  -- the first write: where memory is full, nothing has been changed yet
local hits, last, heat, answer = ARGV[14], ARGV[15], ARGV[12], revision
if old[1] then
  hits, last, heat = old[2], old[3] or '', spelled(combined(tonumber(old[4]), tonumber(ARGV[13])))
  if old[6] == ARGV[9] then answer = old[5] end
  detach_all(key)
  redis.call('DEL', entry)
end
redis.call('HSET', entry, 'i', id, 'h', ARGV[7], 'q', ARGV[8], 'm', ARGV[9], 't', ARGV[10], 'n', hits, 'w', heat,
  'r', revision, 'a', answer)
if last ~= '' then redis.call('HSET', entry, 'l', last) end
if ARGV[11] ~= '' then redis.call('PEXPIREAT', entry, ARGV[11]) end
for place = 16, #ARGV, 2 do attach(key, ARGV[place], ARGV[place + 1], ARGV[11], revision) end
return { 'stored', hits, last, old[1] and answer == revision and 1 or 0, summary(key) }
