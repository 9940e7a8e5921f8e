-- The document that says how gateways name operations. They compare it before they serve.
CREATE TABLE {schema}.names (
    one boolean NOT NULL PRIMARY KEY DEFAULT true CHECK (one),
    encoded bytea NOT NULL
);
