-- The time or '': entries, FAQ entries, exemplars, scopes, bytes and hits of what is live.
local entries, faq, bytes, hits, exemplars = total('entries'), total('faq'), total('bytes'), total('hits'), 0
local all = redis.call('HGETALL', base .. ':totals')
for place = 1, #all, 2 do
  if string.sub(all[place], 1, 2) == 'x:' then exemplars = exemplars + tonumber(all[place + 1]) end
end
local scopes, dead = redis.call('HLEN', base .. ':scopes'), {}
local time = string.format('%.17g', now(ARGV[1]))
for _, number in ipairs(redis.call('ZRANGEBYSCORE', base .. ':by_expiry', '-inf', time)) do
  local row = row_of(number)
  if row and row.p ~= 1 then
    entries, faq, bytes, hits = entries - 1, faq - row.q, bytes - row.b, hits - row.h
    exemplars = exemplars - #row.x
    dead[row.s] = (dead[row.s] or 0) + 1
  end
end
for scope, number in pairs(dead) do
  if tonumber(redis.call('HGET', base .. ':scopes', scope) or '0') <= number then scopes = scopes - 1 end
end
return { entries, faq, exemplars, scopes, bytes, hits }
