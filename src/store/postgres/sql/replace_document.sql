-- Replaces the document `$1` (NULL for none) by `$2`. Returns a row if it did.
WITH created AS (
    INSERT INTO {schema}.{table} (encoded) SELECT $2::bytea WHERE $1::bytea IS NULL
    ON CONFLICT (one) DO NOTHING
    RETURNING one
), changed AS (
    UPDATE {schema}.{table} SET encoded = $2::bytea WHERE encoded = $1::bytea
    RETURNING one
)
SELECT one FROM created UNION ALL SELECT one FROM changed
