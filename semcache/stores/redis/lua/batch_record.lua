-- told, asked, whether it is sealed, sealed, state, total, counts; {} where there is none.
if not is_there() then return {} end
local found = redis.call('HMGET', base .. ':record', 'told', 'asked', 'sealed', 'state', 'total', 'counts')
return { found[1], found[2], found[3] and 1 or 0, found[3] or '', found[4] or '', found[5], found[6] or '' }
