-- The middle of every script that answers with a record. The script goes on behind it only if the stored
-- record is the expected one.
-- KEYS: record, response.
-- Before it: `expected`, the expected revision ('' for no record, nil if none is expected), and `length`. Behind
-- so many bytes of ARGV[1] are the revisions at which another record is touched: none, one, two, or 'any'.
--
-- A record's value: revision, created_at and updated_at (8 bytes each, big-endian), flags (one byte), and then
-- the record as the gateway encodes it. No script reads the encoded record.
-- Flags: 1 has a response, 2 is watched, 4 is running.
--
-- What costs here: each byte of a new text, each argument, each key, and a table as the answer. A function would
-- be made again at each call. Therefore, the scripts have no functions, fields of a fixed length are one argument,
-- and the answer to a write is the time alone.
local call = redis.call
local stored = call('GET', KEYS[1])
local time = call('TIME')
-- The server's time in milliseconds, and the same but never before the record's last write.
local server_time = time[1] * 1000 + time[2] / 1000
server_time = server_time - server_time % 1
local now = server_time

-- A value that is too short has no revision.
local revision, flags = not stored and '', 0
if stored and #stored >= 25 then
    local updated_at
    revision, updated_at, flags = struct.unpack('>c8xxxxxxxxI8B', stored)
    if updated_at > now then
        now = updated_at
    end
end
local has_response, is_watched, is_running = flags % 2 >= 1, flags % 4 >= 2, flags % 8 >= 4

if revision ~= expected then
    if not stored then
        -- Only a primary can know that there is no record: a replica refuses this write, which changes nothing.
        call('DEL', KEYS[1])
        return { 'absent', now }
    end
    local kind = 'found'
    if #ARGV[1] > length then
        local touched = string.sub(ARGV[1], length + 1)
        if touched == 'any' or revision == string.sub(touched, 1, 8) or revision == string.sub(touched, 9) then
            -- Touching writes nothing new, but makes WAIT wait for the writes before.
            call('SETRANGE', KEYS[1], 0, string.sub(stored, 1, 8))
            kind = 'touched'
        end
    end
    return { kind, now, stored, has_response and call('GET', KEYS[2]) }
end
