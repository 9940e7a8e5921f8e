-- Returns the record under each id. Only a primary can say that there is none.
SELECT o.id, r.revision, r.created_at, r.updated_at, r.encoded, p.encoded AS response,
    greatest(date_trunc('milliseconds', clock_timestamp()), r.updated_at) AS now,
    pg_is_in_recovery() AS standby
FROM unnest($1::bytea[]) AS o (id)
LEFT JOIN LATERAL (SELECT * FROM {schema}.record r WHERE r.id = o.id OFFSET 0) r ON true
LEFT JOIN LATERAL (SELECT p.encoded FROM {schema}.response p WHERE p.id = o.id OFFSET 0) p ON true
