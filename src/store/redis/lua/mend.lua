-- Corrects an entry with a deadline that is not the one of its record. An entry without a record
-- is removed, any other moves, unless it moved meanwhile. KEYS: record, deadlines.
-- ARGV: id, the deadline as listed, the deadline to list.
if redis.call('ZSCORE', KEYS[2], ARGV[1]) ~= ARGV[2] then
    return 0
end
if redis.call('EXISTS', KEYS[1]) == 0 then
    return redis.call('ZREM', KEYS[2], ARGV[1])
end
return redis.call('ZADD', KEYS[2], ARGV[3], ARGV[1])
