-- Returns a document, or replaces it. KEYS: the document.
-- ARGV: none to read it; else the expected document ('' for none) and the new one.
-- Only a primary answers: reading a document that is not there counts as a write.
local stored = redis.call('GET', KEYS[1])
local time = redis.call('TIME')
local now = string.format('%.0f', time[1] * 1000 + math.floor(time[2] / 1000))
if #ARGV == 0 then
    if not stored then
        redis.call('DEL', KEYS[1])
    end
    return { 'found', now, stored }
end
if (stored or '') ~= ARGV[1] then
    return { 'conflict', now, false }
end
redis.call('SET', KEYS[1], ARGV[2])
return { 'stored', now, false }
