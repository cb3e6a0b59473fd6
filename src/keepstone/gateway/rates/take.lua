-- Takes all that one call demands, or nothing, by the server's own clock.
-- KEYS: the epoch, then one key a line. ARGV: epoch, lease, then six a line:
--   kind (w sliding window, p period, h held), limit, amount, a, b, alerts ("50,80" or "")
--   w: a = length of a slice; p: a = start, b = end; h: a = length of a lease; all in microseconds
-- Returns {1, now, (line, percent, total)...}                        all is taken
--         {0, now, line, wait, total, (line, percent, total)...}     this line is spent
--         {-1, now} another epoch: the store has lost what it held   {-2, now} the period is over
local SLICES = 20
local clock = redis.call('TIME')
local now = clock[1] * 1000000 + clock[2]
if redis.call('GET', KEYS[1]) ~= ARGV[1] then return {-1, now} end
local function whole(number) return string.format('%.0f', number) end

local lines = {}
for i = 1, #KEYS - 1 do
  local base = 3 + (i - 1) * 6
  local line = {key = KEYS[i + 1], kind = ARGV[base], limit = tonumber(ARGV[base + 1]),
    amount = tonumber(ARGV[base + 2]), a = tonumber(ARGV[base + 3]), b = tonumber(ARGV[base + 4]),
    alerts = ARGV[base + 5], total = 0, gone = {}, fired = {}, counts = {}}
  if line.kind == 'h' then
    redis.call('ZREMRANGEBYSCORE', line.key, 0, now)
    -- a lease further away than one can be was given before the clock went back: it begins anew
    for _, late in ipairs(redis.call('ZRANGEBYSCORE', line.key, '(' .. whole(now + line.a), '+inf')) do
      redis.call('ZADD', line.key, whole(now + line.a), late)
    end
    line.total = redis.call('ZCOUNT', line.key, '(' .. whole(now), '+inf')
    if line.total == 0 then redis.call('DEL', line.key) end
    line.wait = 1000000
  else
    local number, oldest = line.a, line.a
    if line.kind == 'w' then
      number = math.floor(now / line.a)
      oldest = number - SLICES
    elseif now < line.a or now >= line.b then
      return {-2, now}
    end
    line.number = number
    local flat = redis.call('HGETALL', line.key)
    for at = 1, #flat, 2 do
      local name, count = flat[at], tonumber(flat[at + 1])
      local slice = tonumber(name)
      if not slice then
        if count >= oldest and count <= number then line.fired[name] = true else line.gone[#line.gone + 1] = name end
      elseif slice < oldest then
        line.gone[#line.gone + 1] = name
      else
        line.total = line.total + count
        if slice > number then -- counted before the clock went back: from now on as if it were now
          redis.call('HDEL', line.key, name)
          redis.call('HINCRBY', line.key, whole(number), whole(count))
          slice = number
        end
        line.counts[#line.counts + 1] = {slice, count}
      end
    end
    line.wait = line.b - now
    line.life = math.ceil((line.kind == 'w' and line.a * (SLICES + 2) or line.b - now + 60000000) / 1000)
  end
  lines[i] = line
end

local function fire(i, line, total, refused, out)
  for percent in string.gmatch(line.alerts, '%d+') do
    if refused or total * 100 >= line.limit * tonumber(percent) then
      local name = 'a' .. percent
      local first
      if line.kind == 'h' then
        first = redis.call('ZADD', line.key, 'NX', -1, name) == 1
        redis.call('PEXPIRE', line.key, whole(line.a / 500))
      else
        first = not line.fired[name]
        if first then
          redis.call('HSET', line.key, name, whole(line.number))
          redis.call('PEXPIRE', line.key, whole(line.life))
        end
      end
      if first then
        out[#out + 1] = i
        out[#out + 1] = tonumber(percent)
        out[#out + 1] = total
      end
    end
  end
  return out
end

for i, line in ipairs(lines) do
  if line.total + line.amount > line.limit then
    if line.kind == 'w' then
      table.sort(line.counts, function(one, other) return one[1] < other[1] end)
      local left = line.total
      line.wait = line.a * (SLICES + 1)
      for _, slice in ipairs(line.counts) do
        left = left - slice[2]
        if left + line.amount <= line.limit then
          line.wait = math.max(1, (slice[1] + SLICES + 1) * line.a - now)
          break
        end
      end
    end
    return fire(i, line, line.total, true, {0, now, i, line.wait, line.total})
  end
end

local out = {1, now}
for i, line in ipairs(lines) do
  if line.kind == 'h' then
    redis.call('ZADD', line.key, whole(now + line.a), ARGV[2])
    redis.call('PEXPIRE', line.key, whole(line.a / 500))
  else
    if #line.gone > 0 then redis.call('HDEL', line.key, unpack(line.gone)) end
    redis.call('HINCRBY', line.key, whole(line.number), whole(line.amount))
    redis.call('PEXPIRE', line.key, whole(line.life))
  end
  if line.alerts ~= '' then fire(i, line, line.total + line.amount, false, out) end
end
return out
