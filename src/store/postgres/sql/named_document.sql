-- Returns the document with the name `$1`, and the clock.
SELECT (SELECT encoded FROM {schema}.document WHERE name = $1) AS encoded,
    date_trunc('milliseconds', clock_timestamp()) AS now, pg_is_in_recovery() AS standby
