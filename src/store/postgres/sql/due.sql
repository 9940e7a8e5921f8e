-- Returns the records that are past their deadline, the longest past first, and as last row the clock and the
-- earliest deadline that has not passed.
WITH clock AS MATERIALIZED (
    SELECT date_trunc('milliseconds', clock_timestamp()) AS now
), due AS MATERIALIZED (
    SELECT r.id, r.revision, r.created_at, r.updated_at, r.encoded
    FROM {schema}.record r
    WHERE r.deadline <= (SELECT now FROM clock)
    ORDER BY r.deadline LIMIT $1
)
SELECT id, revision, created_at, updated_at, encoded, clock.now, pg_is_in_recovery() AS standby,
    NULL::timestamptz AS next
FROM due CROSS JOIN clock
UNION ALL
SELECT NULL, NULL, NULL, NULL, NULL, now, pg_is_in_recovery(),
    (SELECT min(r.deadline) FROM {schema}.record r WHERE r.deadline > (SELECT now FROM clock))
FROM clock
