-- Returns the earliest deadlines that have passed in each of some buckets.
-- KEYS: deadlines of one bucket each. ARGV: the maximum number of deadlines for each.
-- The answer is the time, the earliest deadline of all ('' for none, the time if a deadline has passed), and then
-- id and deadline of each in turn.
-- A look ahead costs twice as much as a look at what has passed. Once a deadline has passed, it is not needed.
-- A number as an argument would be formatted at each call, so 0 is a text.
local call, most = redis.call, ARGV[1]
local time = call('TIME')
local now = string.format('%.0f', time[1] * 1000 + math.floor(time[2] / 1000))
local due, earliest, passed = { now, '' }, math.huge, tonumber(now)
for at = 1, #KEYS do
    if earliest > passed then
        local first = call('ZRANGEBYSCORE', KEYS[at], '-inf', '+inf', 'WITHSCORES', 'LIMIT', '0', '1')
        local deadline = tonumber(first[2])
        if deadline and deadline < earliest then
            earliest, due[2] = deadline, deadline > passed and first[2] or now
        end
    end
    if earliest <= passed then
        local entries = call('ZRANGEBYSCORE', KEYS[at], '-inf', now, 'WITHSCORES', 'LIMIT', '0', most)
        for part = 1, #entries do
            due[#due + 1] = entries[part]
        end
    end
end
return due
