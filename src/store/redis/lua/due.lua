-- Returns the earliest deadlines that have passed in each of some buckets.
-- KEYS: deadlines of one bucket each. ARGV: the maximum number of deadlines for each.
-- The answer is the time, then id and deadline in turn.
-- A gateway asks this all the time, mostly of buckets where nothing is due. A number as an argument would be
-- formatted at each call, so 0 is a text.
local call, most = redis.call, ARGV[1]
local time = call('TIME')
local now = string.format('%.0f', time[1] * 1000 + math.floor(time[2] / 1000))
local due = { now }
for at = 1, #KEYS do
    local entries = call('ZRANGEBYSCORE', KEYS[at], '-inf', now, 'WITHSCORES', 'LIMIT', '0', most)
    for part = 1, #entries do
        due[#due + 1] = entries[part]
    end
end
return due
