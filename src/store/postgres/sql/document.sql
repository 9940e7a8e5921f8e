-- Returns a document and the clock.
SELECT (SELECT encoded FROM {schema}.{table}) AS encoded,
    date_trunc('milliseconds', clock_timestamp()) AS now, pg_is_in_recovery() AS standby
