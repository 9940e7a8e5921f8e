-- Removes the record with the expected revision.
-- KEYS: record, response, deadlines, unknown, unknown-since.
-- ARGV: expected revision (8 bytes) and id; channel.
local expected, length = string.sub(ARGV[1], 1, 8), 28
