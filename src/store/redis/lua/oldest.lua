-- The entries of unknown records in the order of time, of each of some buckets.
-- KEYS: unknown-since of one bucket each. ARGV: the time to begin at, the id after which to begin there
--       ('' for the first), how many of each bucket at most.
-- Returns entry and time in turn.
local from, after, most = tonumber(ARGV[1]), ARGV[2], tonumber(ARGV[3])

-- Lua would compare texts by the server's locale.
local function is_behind(id)
    for at = 1, #after do
        local this, other = string.byte(id, at), string.byte(after, at)
        if this ~= other then
            return this > other
        end
    end
    return after == ''
end

local listed = {}
for _, key in ipairs(KEYS) do
    local seen, taken = 0, 0
    repeat
        local entries =
            redis.call('ZRANGEBYSCORE', key, ARGV[1], '+inf', 'WITHSCORES', 'LIMIT', seen, most)
        for at = 1, #entries, 2 do
            local is_next = tonumber(entries[at + 1]) > from or is_behind(entries[at])
            if is_next and taken < most then
                listed[#listed + 1] = entries[at]
                listed[#listed + 1] = entries[at + 1]
                taken = taken + 1
            end
        end
        seen = seen + most
    until taken == most or #entries < 2 * most
end
return listed
