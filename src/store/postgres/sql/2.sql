-- How gateways name operations: one document, which they compare before they serve.
CREATE TABLE {schema}.names (
    one boolean NOT NULL PRIMARY KEY DEFAULT true CHECK (one),
    encoded bytea NOT NULL
);
