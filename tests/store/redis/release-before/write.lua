-- Puts a record in place of the one with the expected revision.
-- KEYS: record, response, deadlines, unknown, mark.
-- ARGV: id, expected revision, revision, created_at, record, milliseconds to the deadline,
--       state, what becomes of the response ('keep', 'put', 'drop'), the response, channel, '1' to touch
--       a record that already has the new revision, and where the new record begins an execution, until
--       when it may ('0' for never), and the mark as it is known.
-- Nothing is given to Redis to end by itself: by a clock that is ahead for a moment it would be gone.
local stored = redis.call('GET', KEYS[1])
if not stored then
    return absent()
end
if string.sub(stored, 1, 8) ~= ARGV[2] then
    return found(stored, ARGV[11] == '1' and string.sub(stored, 1, 8) == ARGV[3])
end

-- By the server's own clock: the record may be stamped ahead of it.
local no = ARGV[12] and stopped(ARGV[12], clock(), KEYS[5], ARGV[13])
if no then
    return no
end

local id, state = ARGV[1], ARGV[7]
local now = clock(stored)
local deadline = now + ARGV[6]
local mark = state == 'running' and RUNNING + bit.band(flags(stored), WATCHED) or 0

-- The indexes come first: should one of them be refused, the record is as it was.
redis.call('ZADD', KEYS[3], digits(deadline), id)
if state == 'unknown' then
    redis.call('ZADD', KEYS[4], 0, id)
else
    redis.call('ZREM', KEYS[4], id)
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
