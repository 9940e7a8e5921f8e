-- The start of every script about one record. KEYS[1] is the record, KEYS[2] its response.
--
-- A record's value: revision, created_at and updated_at (8 bytes each, big-endian), flags (one
-- byte), and then the record as the gateway encodes it. No script reads the encoded record.
local HEADER = 25
local RESPONSE, WATCHED, RUNNING = 1, 2, 4

-- Returns the server's time in milliseconds, never before the record's last write.
local function clock(stored)
    local time = redis.call('TIME')
    local now = time[1] * 1000 + math.floor(time[2] / 1000)
    if stored and #stored >= HEADER then
        now = math.max(now, (struct.unpack('>I8', stored, 17)))
    end
    return now
end

-- Formats a number. Lua by itself would write a large one with an exponent.
local function digits(number)
    return string.format('%.0f', number)
end

local function stamp(moment)
    return struct.pack('>I8', moment)
end

local function flags(stored)
    return #stored >= HEADER and string.byte(stored, HEADER) or 0
end

local function has(stored, flag)
    return bit.band(flags(stored), flag) ~= 0
end

-- Answers with the stored record. Touching it writes nothing new, but makes WAIT wait for the writes before.
local function found(stored, touch)
    if touch then
        redis.call('SETRANGE', KEYS[1], 0, string.sub(stored, 1, 8))
    end
    local response = has(stored, RESPONSE) and redis.call('GET', KEYS[2])
    return { touch and 'touched' or 'found', digits(clock(stored)), stored, response }
end

-- Takes an unknown record, as it is stored, out of the list of those in the order of time. An entry is the id and
-- the route, and its score the time of the record's last write.
local function unlist(key, id, stored)
    if #stored < HEADER then
        return
    end
    local since = digits((struct.unpack('>I8', stored, 17)))
    for _, entry in ipairs(redis.call('ZRANGEBYSCORE', key, since, since)) do
        if string.sub(entry, 1, #id) == id then
            redis.call('ZREM', key, entry)
        end
    end
end

-- Answers that there is no record. Only a primary can know that: a replica refuses this write, which
-- changes nothing.
local function absent()
    redis.call('DEL', KEYS[1])
    return { 'absent', digits(clock()), false, false }
end

-- Answers that an execution must not begin here, or returns nothing if it may. It must not begin if none
-- may (`permitted_until` is 0), if by the server's own clock (`now`) the gateway no longer waits for the
-- answer, or if the bucket's mark is not the one that the gateway knows.
local function stopped(permitted_until, now, mark_key, mark)
    if permitted_until == '0' then
        return { 'refused', digits(now), false, false }
    end
    if now > tonumber(permitted_until) then
        return { 'late', digits(now), false, false }
    end
    if redis.call('GET', mark_key) ~= mark then
        return { 'unmarked', digits(now), false, false }
    end
end
