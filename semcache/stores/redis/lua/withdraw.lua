-- Remove the serving under KEYS[1] if it is of this entry ('' of any) and older than this ('' however old): how many went.
local stored = redis.call('GET', KEYS[1])
if not stored then return { 0, '' } end
local owner, at = string.match(stored, '^(%S*) (%S+) ')
if ARGV[1] ~= '' and owner ~= ARGV[1] then return { 0, '' } end
if ARGV[2] ~= '' and tonumber(at) >= tonumber(ARGV[2]) then return { 0, '' } end
redis.call('DEL', KEYS[1])
return { 1, owner }
