-- The indexes come first: if Redis refuses one of them, the record is unchanged.
call('ZADD', KEYS[3], now + until_deadline, id)
local was_unknown = false
if state == 'u' then
    was_unknown = call('ZADD', KEYS[4], 0, id) == 0
elseif not is_running then
    -- A running record is not among the unknown ones.
    was_unknown = call('ZREM', KEYS[4], id) == 1
end
if was_unknown then
    -- An entry of the list in the order of time is the id and the route; its score is the time of the
    -- record's last write.
    local since = string.format('%.0f', (struct.unpack('>I8', stored, 17)))
    for _, entry in ipairs(call('ZRANGEBYSCORE', KEYS[5], since, since)) do
        if string.sub(entry, 1, #id) == id then
            call('ZREM', KEYS[5], entry)
        end
    end
end
local new_flags = 0
if state == 'u' then
    call('ZADD', KEYS[5], now, id .. ARGV[4])
elseif begins then
    new_flags = is_watched and 6 or 4
end

if action == 'p' then
    call('SET', KEYS[2], ARGV[4])
    new_flags = new_flags + 1
elseif has_response then
    if action == 'k' then
        new_flags = new_flags + 1
    else
        call('DEL', KEYS[2])
    end
end

call('SET', KEYS[1], stamps .. struct.pack('>I8B', now, new_flags) .. ARGV[2])
if is_watched and not begins then
    call('PUBLISH', ARGV[3], id)
end
return now
