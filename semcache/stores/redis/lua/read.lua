-- KEY, id, whether bodies and whether exemplars are wanted: is it live, the entry, its exemplars; {} where it is gone.
local key, id = ARGV[3], ARGV[4]
local held = redis.call('HMGET', at_entry(key), 'i', 'h', 't', 'n', 'l', 'r', 'a')
if held[1] ~= id then return {} end
local question, message, exemplars = '', '', {}
if ARGV[5] == '1' then
  local body = redis.call('HMGET', at_entry(key), 'q', 'm')
  question, message = body[1], body[2]
end
if ARGV[6] == '1' then
  for _, each in ipairs(exemplar_ids(key)) do
    exemplars[#exemplars + 1] = each
    exemplars[#exemplars + 1] = redis.call('HGET', at_entry(key), 'x:' .. each)
  end
end
return {
  is_after(held[3], now()) and 1 or 0, { held[2], question, message, held[3], held[4], held[5] or '' }, exemplars,
  held[6], held[7],
}
