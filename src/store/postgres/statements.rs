//! The statements, with the schema's name in them.

use std::sync::Arc;

use sqlx::{AssertSqlSafe, SqlSafeStr, SqlStr};

/// All statements of one store.
pub(super) struct Statements {
    pub(super) claim: SqlStr,
    pub(super) read: SqlStr,
    pub(super) write: SqlStr,
    pub(super) remove: SqlStr,
    pub(super) watch: SqlStr,
    pub(super) due: SqlStr,
    pub(super) postpone: SqlStr,
    pub(super) page: SqlStr,
    pub(super) page_of_unknown: SqlStr,
    pub(super) ready: SqlStr,
    pub(super) names: SqlStr,
    pub(super) replace_names: SqlStr,
    /// Where the end of an execution is told.
    pub(super) channel: String,
}

impl Statements {
    /// The statements for the tables in `schema`.
    pub(super) fn new(schema: &str) -> Self {
        let of = |text: &str| named(&within(schema, text));
        let page = include_str!("sql/page.sql");
        Self {
            claim: of(include_str!("sql/claim.sql")),
            read: of(include_str!("sql/read.sql")),
            write: of(include_str!("sql/write.sql")),
            remove: of(include_str!("sql/remove.sql")),
            watch: of(include_str!("sql/watch.sql")),
            due: of(include_str!("sql/due.sql")),
            postpone: of(include_str!("sql/postpone.sql")),
            page: of(&page.replace("{narrow}", "")),
            page_of_unknown: of(&page.replace("{narrow}", "AND r.state = 'unknown'")),
            ready: of(include_str!("sql/ready.sql")),
            names: of(include_str!("sql/names.sql")),
            replace_names: of(include_str!("sql/replace_names.sql")),
            channel: format!("{schema}_ended"),
        }
    }
}

/// `text` with the name of the schema, which the configuration restricts to a plain identifier.
pub(super) fn within(schema: &str, text: &str) -> String {
    text.replace("{schema}", schema)
}

fn named(text: &str) -> SqlStr {
    let text: Arc<str> = text.into();
    AssertSqlSafe(text).into_sql_str()
}
