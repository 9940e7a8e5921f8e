-- Everything about an operation but its response. `encoded` is what gateways read; the columns
-- beside it are what they compare and search by, and what an operator may look at.
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

-- The responses of completed records, apart, so that claims and leases do not carry them.
CREATE TABLE {schema}.response (
    id bytea NOT NULL PRIMARY KEY,
    encoded bytea NOT NULL
) WITH (
    autovacuum_vacuum_scale_factor = 0.02,
    autovacuum_analyze_scale_factor = 0.02
);

-- One row that readiness checks write, as a claim would be written.
CREATE TABLE {schema}.ready (
    one boolean NOT NULL PRIMARY KEY DEFAULT true CHECK (one),
    at timestamptz NOT NULL
);
