-- Counts the unknown records of some buckets by their routes.
-- KEYS: unknown-since of one bucket each.
-- Returns the time, and then a route, its number of records and the time of the oldest in turn.
local call = redis.call
local time = call('TIME')
local tally = { string.format('%.0f', time[1] * 1000 + math.floor(time[2] / 1000)) }
-- Mostly, there is no unknown record.
if call('EXISTS', unpack(KEYS)) == 0 then
    return tally
end
local place = {}
for _, key in ipairs(KEYS) do
    local entries = call('ZRANGEBYSCORE', key, '-inf', '+inf', 'WITHSCORES')
    for at = 1, #entries, 2 do
        local route, since = string.sub(entries[at], 21), entries[at + 1]
        local known = place[route]
        if not known then
            known = #tally + 1
            place[route] = known
            tally[known], tally[known + 1], tally[known + 2] = route, 0, since
        elseif tonumber(since) < tonumber(tally[known + 2]) then
            tally[known + 2] = since
        end
        tally[known + 1] = tally[known + 1] + 1
    end
end
return tally
