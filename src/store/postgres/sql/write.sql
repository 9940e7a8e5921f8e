-- Replaces the records with the expected revisions, and notifies the gateways that wait for their end.
-- Rows are locked in the order of the ids, so that two statements never wait for each other.
WITH change AS MATERIALIZED (
    SELECT * FROM unnest(
        $1::bytea[], $2::bigint[], $3::bigint[], $4::text[], $5::integer[], $6::text[], $7::smallint[],
        $8::bigint[], $9::bigint[], $10::bytea[], $11::boolean[], $12::bytea[]
    ) AS c (
        id, expected, revision, state, execution, reason, status, created_at, until_deadline, encoded, bare,
        response
    )
), held AS MATERIALIZED (
    SELECT c.*, r.place, r.awaited
    FROM change c
    CROSS JOIN LATERAL (
        SELECT r.ctid AS place, r.awaited FROM {schema}.record r
        WHERE r.id = c.id AND r.revision = c.expected FOR UPDATE
    ) r
), written AS (
    UPDATE {schema}.record r
    SET revision = h.revision, state = h.state, execution = h.execution, reason = h.reason, status = h.status,
        created_at = to_timestamp(h.created_at / 1000.0), updated_at = greatest(clock.now, r.updated_at),
        deadline = greatest(clock.now, r.updated_at) + h.until_deadline * interval '1 millisecond',
        awaited = r.awaited AND h.state = 'running',
        encoded = h.encoded
    FROM held h CROSS JOIN (SELECT date_trunc('milliseconds', clock_timestamp()) AS now OFFSET 0) clock
    WHERE r.ctid = h.place AND r.revision = h.expected
    RETURNING h.id, r.updated_at, h.bare, h.response, h.awaited AND h.state <> 'running' AS tell
), put AS (
    INSERT INTO {schema}.response (id, encoded)
    SELECT id, response FROM written WHERE response IS NOT NULL
    ON CONFLICT (id) DO UPDATE SET encoded = excluded.encoded
), dropped AS (
    DELETE FROM {schema}.response WHERE ctid = ANY (ARRAY(
        SELECT p.place FROM written w
        CROSS JOIN LATERAL (
            SELECT p.ctid AS place FROM {schema}.response p WHERE p.id = w.id OFFSET 0
        ) p
        WHERE w.bare
    ))
)
SELECT id, updated_at, CASE WHEN tell THEN pg_notify($13, encode(id, 'hex'))::text END AS told FROM written
