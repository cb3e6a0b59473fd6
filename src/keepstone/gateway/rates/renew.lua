-- Keeps leases alive, also those that the store has forgotten. KEYS: one a lease. ARGV: length, lease...
local clock = redis.call('TIME')
local ends = string.format('%.0f', clock[1] * 1000000 + clock[2] + ARGV[1])
for i, key in ipairs(KEYS) do
  redis.call('ZADD', key, ends, ARGV[i + 1])
  redis.call('PEXPIRE', key, string.format('%.0f', ARGV[1] / 500))
end
return #KEYS
