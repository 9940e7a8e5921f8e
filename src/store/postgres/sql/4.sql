-- The documents of all gateways about the webhook for unknown outcomes: which gateway tells it, and what it was told.
CREATE TABLE {schema}.document (
    name text NOT NULL PRIMARY KEY,
    encoded bytea NOT NULL
);
