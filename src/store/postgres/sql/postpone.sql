-- Postpones a record that this gateway cannot decode, so that it is examined again later.
UPDATE {schema}.record SET deadline = clock_timestamp() + interval '1 hour' WHERE id = $1 AND revision = $2
