-- Creates a record, or returns the stored one.
-- KEYS: record, response, deadlines, mark.
-- ARGV: id, revision, record, milliseconds to the deadline, the revision of the same owner's other
--       attempt to claim if a record of either is to be touched ('' for none), the latest moment at
--       which an execution may begin ('0' for never), and the known mark.
local stored = redis.call('GET', KEYS[1])
if stored then
    local revision = string.sub(stored, 1, 8)
    return found(stored, ARGV[5] ~= '' and (revision == ARGV[2] or revision == ARGV[5]))
end
local now = clock()
local no = stopped(ARGV[6], now, KEYS[4], ARGV[7])
if no then
    return no
end
redis.call('ZADD', KEYS[3], digits(now + ARGV[4]), ARGV[1])
redis.call('SET', KEYS[1], ARGV[2] .. stamp(now) .. stamp(now) .. string.char(RUNNING) .. ARGV[3])
return { 'won', digits(now), false, false }
