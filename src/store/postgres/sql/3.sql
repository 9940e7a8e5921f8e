-- The document of all gateways that says how far the clock was and which of its jumps were accepted.
CREATE TABLE {schema}.clock (
    one boolean NOT NULL PRIMARY KEY DEFAULT true CHECK (one),
    encoded bytea NOT NULL
);
