-- The next rows of an index: its name, 'up' or 'down', the score and number behind which to begin ('' at the end), how
-- many. Returns number, score and row of each.
local key, is_down, after, from, most = base .. ARGV[1], ARGV[2] == 'down', ARGV[3], ARGV[4], tonumber(ARGV[5])
local start, found = 0, {}
if after ~= '' then
  start = redis.call('ZCOUNT', key, is_down and '(' .. after or '-inf', is_down and '+inf' or '(' .. after)
end
while #found < 3 * most do
  local some = redis.call(is_down and 'ZREVRANGE' or 'ZRANGE', key, start, start + most - 1, 'WITHSCORES')
  if #some == 0 then break end
  for place = 1, #some, 2 do
    local number, score = some[place], some[place + 1]
    local is_behind = after == '' or tonumber(score) ~= tonumber(after)
    if not is_behind and is_down then is_behind = number < from end
    if not is_behind and not is_down then is_behind = number > from end
    if is_behind and #found < 3 * most then
      found[#found + 1], found[#found + 2] = number, score
      found[#found + 1] = redis.call('HGET', base .. ':rows', number) or ''
    end
  end
  start = start + most
end
return found
