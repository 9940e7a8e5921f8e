-- Puts right how a record is listed among the unknown ones in the order of time, unless it changed meanwhile.
-- KEYS: record, unknown-since.
-- ARGV: the record's revision ('' for no record), its time ('' if its outcome is not unknown), its entry,
--       and the entries to remove.
-- Returns 1 if that changed an entry, else 0.
local stored = redis.call('GET', KEYS[1])
if (stored and string.sub(stored, 1, 8) or '') ~= ARGV[1] then
    return 0
end
local changed = 0
for at = 4, #ARGV do
    changed = changed + redis.call('ZREM', KEYS[2], ARGV[at])
end
if ARGV[2] ~= '' then
    changed = changed + redis.call('ZADD', KEYS[2], 'CH', ARGV[2], ARGV[3])
end
return changed > 0 and 1 or 0
