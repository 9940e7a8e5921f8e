-- Replaces the document `$1` (NULL for none) with the name `$3` by `$2`. Returns a row if it did.
WITH created AS (
    INSERT INTO {schema}.document (name, encoded) SELECT $3, $2::bytea WHERE $1::bytea IS NULL
    ON CONFLICT (name) DO NOTHING
    RETURNING name
), changed AS (
    UPDATE {schema}.document SET encoded = $2::bytea WHERE name = $3 AND encoded = $1::bytea
    RETURNING name
)
SELECT name FROM created UNION ALL SELECT name FROM changed
