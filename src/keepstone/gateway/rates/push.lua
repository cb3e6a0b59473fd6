-- Adds counts that the store does not have. KEYS[1]: a line. ARGV: its life in milliseconds, (field, count)...
for at = 2, #ARGV, 2 do redis.call('HINCRBY', KEYS[1], ARGV[at], ARGV[at + 1]) end
redis.call('PEXPIRE', KEYS[1], ARGV[1])
return 1
