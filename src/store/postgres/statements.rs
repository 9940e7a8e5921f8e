//! The statements, with the schema's name in them.

use std::sync::Arc;

use sqlx::{AssertSqlSafe, SqlSafeStr, SqlStr};

use crate::store::DocumentName;

/// The statements of one store.
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
    pub(super) oldest: SqlStr,
    pub(super) tally: SqlStr,
    pub(super) ready: SqlStr,
    names: OfDocument,
    clock: OfDocument,
    named: OfDocument,
    /// Name of the channel that carries the notification of an ended execution.
    pub(super) channel: String,
}

impl Statements {
    /// Returns the statements for the tables in `schema`.
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
            oldest: of(include_str!("sql/oldest.sql")),
            tally: of(include_str!("sql/tally.sql")),
            ready: of(include_str!("sql/ready.sql")),
            names: OfDocument::new(schema, "names"),
            clock: OfDocument::new(schema, "clock"),
            named: OfDocument {
                read: of(include_str!("sql/named_document.sql")),
                replace: of(include_str!("sql/replace_named_document.sql")),
            },
            channel: format!("{schema}_ended"),
        }
    }
}

/// The statements about a document that has a table of its own, or about all documents of the table of
/// documents. The latter take the document's name as their last parameter.
pub(super) struct OfDocument {
    pub(super) read: SqlStr,
    pub(super) replace: SqlStr,
}

impl OfDocument {
    fn new(schema: &str, table: &str) -> Self {
        let of = |text: &str| named(&within(schema, text).replace("{table}", table));
        Self {
            read: of(include_str!("sql/document.sql")),
            replace: of(include_str!("sql/replace_document.sql")),
        }
    }
}

impl Statements {
    /// Returns the statements about this document.
    pub(super) fn of(&self, name: DocumentName) -> &OfDocument {
        match name {
            DocumentName::Names => &self.names,
            DocumentName::Clock => &self.clock,
            DocumentName::Notifier | DocumentName::Notified(_) => &self.named,
        }
    }
}

/// Returns `text` with the name of the schema, which the configuration restricts to a plain identifier.
pub(super) fn within(schema: &str, text: &str) -> String {
    text.replace("{schema}", schema)
}

/// Returns the statement without its comments and indentation: the library looks each statement up by its
/// text, which it hashes and compares.
fn named(text: &str) -> SqlStr {
    let lines = text.lines().map(str::trim).filter(|line| !line.starts_with("--"));
    let text: Arc<str> = lines.collect::<Vec<_>>().join(" ").into();
    AssertSqlSafe(text).into_sql_str()
}
