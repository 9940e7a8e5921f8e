-- Marks a running record, so that the gateway that ends its execution sends a notification.
WITH held AS MATERIALIZED (
    SELECT r.place FROM unnest($1::bytea[]) AS o (id)
    CROSS JOIN LATERAL (
        SELECT r.ctid AS place FROM {schema}.record r
        WHERE r.id = o.id AND r.state = 'running' AND NOT r.awaited FOR UPDATE
    ) r
)
UPDATE {schema}.record SET awaited = true WHERE ctid = ANY (ARRAY(SELECT place FROM held))
