-- The document of how operations are named, and the clock.
SELECT (SELECT encoded FROM {schema}.names) AS encoded,
    date_trunc('milliseconds', clock_timestamp()) AS now, pg_is_in_recovery() AS standby
