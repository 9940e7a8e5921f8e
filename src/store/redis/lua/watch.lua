-- Asks whoever ends the running execution of a record to publish that. KEYS: record.
local stored = redis.call('GET', KEYS[1])
if stored and has(stored, RUNNING) and not has(stored, WATCHED) then
    redis.call('SETRANGE', KEYS[1], HEADER - 1, string.char(flags(stored) + WATCHED))
end
return 1
