-- What every script about one record starts with. KEYS[1] is the record, KEYS[2] its response.
--
-- A record's value: revision, created_at and updated_at (8 bytes each, big-endian), flags (one
-- byte), and then the record as the gateway encodes it, which no script looks into.
local HEADER = 25
local RESPONSE, WATCHED, RUNNING = 1, 2, 4

-- The server's time in milliseconds, but never before the record's last write.
local function clock(stored)
    local time = redis.call('TIME')
    local now = time[1] * 1000 + math.floor(time[2] / 1000)
    if stored and #stored >= HEADER then
        now = math.max(now, (struct.unpack('>I8', stored, 17)))
    end
    return now
end

-- Lua would write a large number with an exponent.
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

-- What there is. Touching writes nothing new, but makes WAIT wait for what was written before.
local function found(stored, touch)
    if touch then
        redis.call('SETRANGE', KEYS[1], 0, string.sub(stored, 1, 8))
    end
    local response = has(stored, RESPONSE) and redis.call('GET', KEYS[2])
    return { touch and 'touched' or 'found', digits(clock(stored)), stored, response }
end

-- That there is nothing is only known to a primary: a replica refuses this write, which does nothing.
local function absent()
    redis.call('DEL', KEYS[1])
    return { 'absent', digits(clock()), false, false }
end

-- That an execution would begin here and must not: none may (`permitted_until` is 0), nobody waits for
-- the answer any more, by the server's own clock (`now`), or the bucket's mark is not the one that the
-- gateway knows. Nothing if it may.
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
