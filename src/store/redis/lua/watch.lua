-- Asks for a message when the running execution of a record ends. The script that ends it publishes
-- the message. KEYS: record.
local stored = redis.call('GET', KEYS[1])
if stored and has(stored, RUNNING) and not has(stored, WATCHED) then
    redis.call('SETRANGE', KEYS[1], HEADER - 1, string.char(flags(stored) + WATCHED))
end
return 1
