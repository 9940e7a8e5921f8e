-- Removes the record with the expected revision.
-- KEYS: record, response, deadlines, unknown, unknown-since. ARGV: id, expected revision, channel.
local stored = redis.call('GET', KEYS[1])
if not stored then
    return absent()
end
if string.sub(stored, 1, 8) ~= ARGV[2] then
    return found(stored, false)
end
redis.call('DEL', KEYS[1], KEYS[2])
redis.call('ZREM', KEYS[3], ARGV[1])
if redis.call('ZREM', KEYS[4], ARGV[1]) == 1 then
    unlist(KEYS[5], ARGV[1], stored)
end
if has(stored, WATCHED) then
    redis.call('PUBLISH', ARGV[3], ARGV[1])
end
return { 'stored', digits(clock(stored)), false, false }
