-- Ends a script that begins an execution (`begins`) where none may begin. The answer has the server's own time:
-- by that the gateway times its next attempt.
-- KEYS: the mark is the last one.
-- ARGV: the last one is the latest moment at which an execution may begin (8 bytes, 0 for never), and the
--       known mark.
if begins then
    local permission = ARGV[#ARGV]
    local permitted_until = struct.unpack('>I8', permission)
    if permitted_until == 0 then
        return { 'refused', server_time }
    end
    -- The server's own clock decides whether the gateway still waits for the answer: the record may be
    -- stamped ahead of it.
    if server_time > permitted_until then
        return { 'late', server_time }
    end
    if call('GET', KEYS[#KEYS]) ~= string.sub(permission, 9) then
        return { 'unmarked', server_time }
    end
end
