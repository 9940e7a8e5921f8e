-- Counts the unknown records of each route; the last row is the clock.
SELECT route, count(*) AS records, min(updated_at) AS oldest, NULL::timestamptz AS now, NULL::boolean AS standby
FROM {schema}.record WHERE state = 'unknown' GROUP BY route
UNION ALL
SELECT NULL, 0, NULL, date_trunc('milliseconds', clock_timestamp()), pg_is_in_recovery()
