-- Puts a record in place of the one with the expected revision.
-- KEYS: record, response, deadlines, unknown, unknown-since; also the mark if the new record begins an
--       execution.
-- ARGV: expected revision (8 bytes), id (20 bytes), milliseconds to the deadline (8 bytes), state ('r' running,
--       'u' unknown, 'o' other), action on the response ('p' put, 'k' keep, 'd' drop), revision and created_at
--       (8 bytes each), and the new revision again if a record that already has it is to be touched; record;
--       channel; then the permission of a running record, the route of an unknown one, or the response to put.
-- No key gets an expiry in Redis: a clock that is ahead for a moment would remove it.
local expected, id, until_deadline, state, action, stamps = struct.unpack('>c8c20I8c1c1c16', ARGV[1])
local length, begins = 54, state == 'r'
