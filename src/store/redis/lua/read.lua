-- Returns the stored record. KEYS: record, response. ARGV: '1' to touch it.
local stored = redis.call('GET', KEYS[1])
if not stored then
    return absent()
end
return found(stored, ARGV[1] == '1')
