-- Writes as a claim would.
INSERT INTO {schema}.ready (at) VALUES (clock_timestamp())
ON CONFLICT (one) DO UPDATE SET at = excluded.at
