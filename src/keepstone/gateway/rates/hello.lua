-- Returns the epoch, which lives as long as what the store holds, and how old it is; begins one if there is none.
-- KEYS[1]: the epoch. ARGV[1]: a random name for a new one.
local clock = redis.call('TIME')
local now = clock[1] * 1000000 + clock[2]
redis.call('SET', KEYS[1], ARGV[1] .. ':' .. string.format('%.0f', now), 'NX')
local epoch = redis.call('GET', KEYS[1])
return {epoch, now, now - tonumber(string.match(epoch, ':(%d+)$'))}
