-- Writes a row in the way a claim is written.
INSERT INTO {schema}.ready (at) VALUES (clock_timestamp())
ON CONFLICT (one) DO UPDATE SET at = excluded.at
