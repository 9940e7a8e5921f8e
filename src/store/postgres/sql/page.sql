-- Examines records in the order of their ids. The last row holds the id of the last record examined and
-- the clock. `$2` is a state or NULL, `$3` a route or NULL.
WITH looked_at AS MATERIALIZED (
    SELECT r.id, r.revision, r.created_at, r.updated_at, r.encoded, r.state, r.route
    FROM {schema}.record r WHERE r.id > $1 {narrow} ORDER BY r.id LIMIT $4
), fitting AS MATERIALIZED (
    SELECT * FROM looked_at
    WHERE ($2::text IS NULL OR state = $2) AND ($3::text IS NULL OR route = $3)
    ORDER BY id LIMIT $5
)
SELECT id, revision, created_at, updated_at, encoded, NULL::bigint AS looked_at, NULL::timestamptz AS now,
    NULL::boolean AS standby
FROM fitting
UNION ALL
SELECT (SELECT id FROM looked_at ORDER BY id DESC LIMIT 1), NULL, NULL, NULL, NULL,
    (SELECT count(*) FROM looked_at), date_trunc('milliseconds', clock_timestamp()), pg_is_in_recovery()
