-- Asks for a message when the running execution of a record ends. The script that ends it publishes
-- the message. KEYS: record. See `record.lua` for the flags.
local stored = redis.call('GET', KEYS[1])
local flags = stored and string.byte(stored, 25) or 0
if flags % 8 >= 4 and flags % 4 < 2 then
    redis.call('SETRANGE', KEYS[1], 24, string.char(flags + 2))
end
return 1
