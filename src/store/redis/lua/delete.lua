local id = string.sub(ARGV[1], 9)
call('DEL', KEYS[1], KEYS[2])
call('ZREM', KEYS[3], id)
if call('ZREM', KEYS[4], id) == 1 then
    -- An entry of the list in the order of time is the id and the route; its score is the time of the
    -- record's last write.
    local since = string.format('%.0f', (struct.unpack('>I8', stored, 17)))
    for _, entry in ipairs(call('ZRANGEBYSCORE', KEYS[5], since, since)) do
        if string.sub(entry, 1, #id) == id then
            call('ZREM', KEYS[5], entry)
        end
    end
end
if is_watched then
    call('PUBLISH', ARGV[2], id)
end
return now
