-- Returns the earliest deadlines that have passed in each of some buckets.
-- KEYS: deadlines of one bucket each. ARGV: the maximum number of deadlines for each.
-- The answer is the time, then id and deadline in turn.
local time = redis.call('TIME')
local now = string.format('%.0f', time[1] * 1000 + math.floor(time[2] / 1000))
local due = { now }
for _, key in ipairs(KEYS) do
    local entries = redis.call('ZRANGEBYSCORE', key, '-inf', now, 'WITHSCORES', 'LIMIT', 0, ARGV[1])
    for _, part in ipairs(entries) do
        due[#due + 1] = part
    end
end
return due
