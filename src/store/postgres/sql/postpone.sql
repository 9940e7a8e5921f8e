-- Leaves a record that nobody here can read to be looked at later.
UPDATE {schema}.record SET deadline = clock_timestamp() + interval '1 hour' WHERE id = $1 AND revision = $2
