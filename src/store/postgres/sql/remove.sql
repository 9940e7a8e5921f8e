-- Removes the records with the expected revisions, and notifies the gateways that wait for their end.
WITH change AS MATERIALIZED (
    SELECT * FROM unnest($1::bytea[], $2::bigint[]) AS c (id, expected)
), held AS MATERIALIZED (
    SELECT c.*, r.place
    FROM change c
    CROSS JOIN LATERAL (
        SELECT r.ctid AS place FROM {schema}.record r
        WHERE r.id = c.id AND r.revision = c.expected FOR UPDATE
    ) r
), removed AS (
    DELETE FROM {schema}.record r USING held h
    WHERE r.ctid = h.place AND r.revision = h.expected
    RETURNING h.id, r.awaited AS tell
), dropped AS (
    DELETE FROM {schema}.response WHERE ctid = ANY (ARRAY(
        SELECT p.place FROM removed d
        CROSS JOIN LATERAL (
            SELECT p.ctid AS place FROM {schema}.response p WHERE p.id = d.id OFFSET 0
        ) p
    ))
)
SELECT id, CASE WHEN tell THEN pg_notify($3, encode(id, 'hex'))::text END AS told FROM removed
