-- Returns the ids of records with an unknown outcome, in their order.
-- KEYS: unknown of one bucket each, in the order of the buckets.
-- ARGV: the id after which to begin ('' for the first), the maximum number of ids.
local after = ARGV[1] == '' and '-' or '(' .. ARGV[1]
local ids = {}
for _, key in ipairs(KEYS) do
    local left = ARGV[2] - #ids
    if left <= 0 then
        break
    end
    for _, id in ipairs(redis.call('ZRANGEBYLEX', key, after, '+', 'LIMIT', 0, left)) do
        ids[#ids + 1] = id
    end
end
return ids
