-- Looks at some unknown records in the order of time; the last row is the last one looked at and the
-- clock. `$1` is a time in milliseconds, `$3` a route or NULL.
WITH looked_at AS MATERIALIZED (
    SELECT r.id, r.revision, r.created_at, r.updated_at, r.encoded, r.route
    FROM {schema}.record r
    WHERE r.state = 'unknown'
        AND (r.updated_at, r.id) > (timestamptz 'epoch' + $1::bigint * interval '1 millisecond', $2::bytea)
    ORDER BY r.updated_at, r.id LIMIT $4
), fitting AS MATERIALIZED (
    SELECT * FROM looked_at WHERE $3::text IS NULL OR route = $3 ORDER BY updated_at, id LIMIT $5
), last AS MATERIALIZED (
    SELECT id, updated_at FROM looked_at ORDER BY updated_at DESC, id DESC LIMIT 1
)
SELECT id, revision, created_at, updated_at, encoded, NULL::bigint AS looked_at, NULL::timestamptz AS now,
    NULL::boolean AS standby
FROM fitting
UNION ALL
SELECT (SELECT id FROM last), NULL, NULL, (SELECT updated_at FROM last), NULL,
    (SELECT count(*) FROM looked_at), date_trunc('milliseconds', clock_timestamp()), pg_is_in_recovery()
