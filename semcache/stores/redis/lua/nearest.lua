-- The query as FP32 and whether it is zero, k, space, tolerance of scores, and up to how many a search is exhaustive.
-- How many there are, then whatever could be among the k nearest, by id and the key of its entry: with ties, and
-- without what is dead.
if not has_vectors then return { 0 } end
local query, is_zero, k, space = ARGV[3], ARGV[4] == '1', tonumber(ARGV[5]), ARGV[6]
local tolerance, exhaustive = tonumber(ARGV[7]), tonumber(ARGV[8])
local vectors, time = base .. ':v:' .. space, now()
local found = { 0 }

local function take(element)  -- whether it is live; what has lost its body is forgotten
  local id, key = string.match(element, '^(%d+):(.*)$')
  if redis.call('HEXISTS', at_entry(key), 'x:' .. id) == 0 then  -- to read it with its expiry would copy the vectors
    forget_vector(space, element)
    return false
  end
  if not is_after(redis.call('HGET', at_entry(key), 't'), time) then return false end
  found[#found + 1], found[#found + 2] = id, key
  return true
end

local total = redis.call('VCARD', vectors)
if type(total) ~= 'number' then total = 0 end
found[1] = total + redis.call('SCARD', base .. ':z:' .. space)
local count, seen, taken, last = math.min(total, k + 16), {}, 0, nil
while count > 0 do
  local words = { vectors, 'FP32', query, 'WITHSCORES', 'COUNT', count }
  if total <= exhaustive or count > 512 or is_zero then
    words[#words + 1] = 'TRUTH'
  else
    words[#words + 1], words[#words + 2] = 'EF', math.max(100, 2 * count)
  end
  local near, is_done = redis.call('VSIM', unpack(words)), false
  for place = 1, #near, 2 do
    local element, score = near[place], tonumber(near[place + 1])
    if not is_zero and taken >= k and score < last - tolerance then
      is_done = true
      break
    end
    if not seen[element] then
      seen[element] = true
      if take(element) then
        taken = taken + 1
        if taken <= k then last = score end
      end
    end
  end
  if is_done or count >= total then break end
  count = math.min(total, 4 * count)
end
for _, element in ipairs(redis.call('SMEMBERS', base .. ':z:' .. space)) do take(element) end
return found
