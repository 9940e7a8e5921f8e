//! The marker table itself: its name, and the SQL that creates it.

/// The table of a route that names no other.
pub const DEFAULT_TABLE: &str = "oncegate_marker";

/// Returns the SQL that creates the marker table. The upstream's role and the gateway's both read and insert.
#[must_use]
pub fn schema_sql(table: &str) -> String {
    format!(
        "CREATE TABLE IF NOT EXISTS {table} (
    execution text PRIMARY KEY,
    fenced boolean NOT NULL DEFAULT false,
    response jsonb,
    created_at timestamptz NOT NULL DEFAULT now()
);
"
    )
}

/// Tells whether a text names a table without quotes: `TABLE` or `SCHEMA.TABLE`.
#[cfg(feature = "postgres")]
pub(super) fn is_plain(table: &str) -> bool {
    let mut parts = 0;
    let plain = table.split('.').all(|part| {
        parts += 1;
        let first = part.bytes().next();
        first.is_some_and(|byte| byte.is_ascii_lowercase() || byte == b'_')
            && part.len() <= 63
            && part.bytes().all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'_')
    });
    plain && parts <= 2
}

#[cfg(all(test, feature = "postgres"))]
mod tests {
    use super::*;

    #[test]
    fn a_table_is_named_without_quotes() {
        for table in [DEFAULT_TABLE, "payments.marker_2", "_m"] {
            assert!(is_plain(table), "{table}");
        }
        let long = "a".repeat(64);
        for table in ["", ".", "a.", "a.b.c", "Marker", "2m", "a b", "a;b", "a\"b", "m\u{e4}", &long] {
            assert!(!is_plain(table), "{table}");
        }
    }
}
