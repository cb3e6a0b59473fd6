-- Replaces what a call reserved by what it used; what has left its window stays as it is.
-- KEYS: one a line. ARGV: lease, then three a line: kind, field, difference.
for i, key in ipairs(KEYS) do
  local base = 2 + (i - 1) * 3
  if ARGV[base] == 'h' then
    redis.call('ZREM', key, ARGV[1])
  elseif redis.call('HEXISTS', key, ARGV[base + 1]) == 1 then
    redis.call('HINCRBY', key, ARGV[base + 1], ARGV[base + 2])
  end
end
return 1
