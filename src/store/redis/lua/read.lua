-- Returns the stored record. KEYS: record, response. ARGV: 'any' to touch it, or ''.
local expected, length = nil, 0
