-- How far the clock was, and which of its jumps were accepted: one document of all gateways.
CREATE TABLE {schema}.clock (
    one boolean NOT NULL PRIMARY KEY DEFAULT true CHECK (one),
    encoded bytea NOT NULL
);
