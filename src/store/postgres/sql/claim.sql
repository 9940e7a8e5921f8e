-- Creates records, or returns those in the way. A record that appeared meanwhile is in neither part of the
-- answer, because this statement cannot see it. The last row is the clock.
WITH clock AS MATERIALIZED (
    SELECT date_trunc('milliseconds', clock_timestamp()) AS now
), offered AS MATERIALIZED (
    SELECT * FROM unnest(
        $1::bytea[], $2::bigint[], $3::text[], $4::text[], $5::text[], $6::integer[], $7::bigint[], $8::bytea[]
    ) AS o (id, revision, namespace, route, state, execution, until_deadline, encoded)
), found AS MATERIALIZED (
    SELECT o.id, r.revision, r.created_at, r.updated_at, r.encoded, p.encoded AS response
    FROM offered o
    CROSS JOIN LATERAL (SELECT * FROM {schema}.record r WHERE r.id = o.id OFFSET 0) r
    LEFT JOIN LATERAL (SELECT p.encoded FROM {schema}.response p WHERE p.id = o.id OFFSET 0) p ON true
), won AS (
    INSERT INTO {schema}.record
        (id, revision, namespace, route, state, execution, created_at, updated_at, deadline, encoded)
    SELECT o.id, o.revision, o.namespace, o.route, o.state, o.execution, clock.now, clock.now,
        clock.now + o.until_deadline * interval '1 millisecond', o.encoded
    FROM offered o CROSS JOIN clock
    WHERE o.id NOT IN (SELECT f.id FROM found f)
        -- After this moment the gateway has given up the claim and answered that nothing was written.
        AND clock_timestamp() <= to_timestamp($9::bigint / 1000.0)
    ON CONFLICT (id) DO NOTHING
    RETURNING id, updated_at
)
SELECT id, true AS won, NULL::bigint AS revision, updated_at AS created_at, updated_at,
    NULL::bytea AS encoded, NULL::bytea AS response, updated_at AS now
FROM won
UNION ALL
SELECT id, false, revision, created_at, updated_at, encoded, response, greatest(clock.now, updated_at)
FROM found CROSS JOIN clock
UNION ALL
SELECT NULL, false, NULL, NULL, NULL, NULL, NULL, now FROM clock
