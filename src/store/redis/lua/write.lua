-- Puts a record in place of the one with the expected revision.
-- KEYS: record, response, deadlines, unknown, unknown-since, mark.
-- ARGV: id, expected revision, revision, created_at, record, milliseconds to the deadline,
--       state, the action on the response ('keep', 'put', 'drop'), the response, channel, '1' to touch
--       a record that already has the new revision, the route. If the new record begins an execution, also the
--       latest moment at which it may ('0' for never), and the known mark.
-- No key gets an expiry in Redis: a clock that is ahead for a moment would remove it.
local stored = redis.call('GET', KEYS[1])
if not stored then
    return absent()
end
if string.sub(stored, 1, 8) ~= ARGV[2] then
    return found(stored, ARGV[11] == '1' and string.sub(stored, 1, 8) == ARGV[3])
end

-- The server's own clock decides: the record may be stamped ahead of it.
local no = ARGV[13] and stopped(ARGV[13], clock(), KEYS[6], ARGV[14])
if no then
    return no
end

local id, state = ARGV[1], ARGV[7]
local now = clock(stored)
local deadline = now + ARGV[6]
local mark = state == 'running' and RUNNING + bit.band(flags(stored), WATCHED) or 0

-- The indexes come first: if Redis refuses one of them, the record is unchanged.
redis.call('ZADD', KEYS[3], digits(deadline), id)
local was_unknown
if state == 'unknown' then
    was_unknown = redis.call('ZADD', KEYS[4], 0, id) == 0
else
    was_unknown = redis.call('ZREM', KEYS[4], id) == 1
end
if was_unknown then
    unlist(KEYS[5], id, stored)
end
if state == 'unknown' then
    redis.call('ZADD', KEYS[5], digits(now), id .. ARGV[12])
end

if ARGV[8] == 'put' then
    redis.call('SET', KEYS[2], ARGV[9])
    mark = mark + RESPONSE
elseif has(stored, RESPONSE) then
    if ARGV[8] == 'keep' then
        mark = mark + RESPONSE
    else
        redis.call('DEL', KEYS[2])
    end
end

local value = ARGV[3] .. ARGV[4] .. stamp(now) .. string.char(mark) .. ARGV[5]
redis.call('SET', KEYS[1], value)
if state ~= 'running' and has(stored, WATCHED) then
    redis.call('PUBLISH', ARGV[10], id)
end
return { 'stored', digits(now), false, false }
