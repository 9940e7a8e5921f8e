-- The records of operations without their responses. Gateways read `encoded`. The other columns are
-- those that gateways compare and search by, and that an operator may look at.
CREATE TABLE {schema}.record (
    revision bigint NOT NULL,
    created_at timestamptz NOT NULL,
    updated_at timestamptz NOT NULL,
    deadline timestamptz NOT NULL,
    execution integer NOT NULL,
    status smallint,
    awaited boolean NOT NULL DEFAULT false,
    id bytea NOT NULL PRIMARY KEY,
    namespace text NOT NULL,
    route text NOT NULL,
    state text NOT NULL,
    reason text,
    encoded bytea NOT NULL
) WITH (
    autovacuum_vacuum_scale_factor = 0.02,
    autovacuum_analyze_scale_factor = 0.02
);
CREATE INDEX record_deadline ON {schema}.record (deadline);
CREATE INDEX record_unknown ON {schema}.record (id) WHERE state = 'unknown';
-- Tables of an earlier release have no such index: a running gateway builds it.
CREATE INDEX record_unknown_since ON {schema}.record (updated_at, id) INCLUDE (route) WHERE state = 'unknown';

-- The responses of completed records, in a table of their own, so that claims and leases do not carry them.
CREATE TABLE {schema}.response (
    id bytea NOT NULL PRIMARY KEY,
    encoded bytea NOT NULL
) WITH (
    autovacuum_vacuum_scale_factor = 0.02,
    autovacuum_analyze_scale_factor = 0.02
);

-- The row that readiness checks write, in the way a claim is written.
CREATE TABLE {schema}.ready (
    one boolean NOT NULL PRIMARY KEY DEFAULT true CHECK (one),
    at timestamptz NOT NULL
);
