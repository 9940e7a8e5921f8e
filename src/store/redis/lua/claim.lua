-- Creates a record, or returns the stored one.
-- KEYS: record, response, deadlines, mark.
-- ARGV: id (20 bytes), revision and milliseconds to the deadline (8 bytes each), the revisions of the same owner's
--       attempts to claim if a record of theirs is to be touched; record; permission.
local expected, length, begins = '', 36, true
