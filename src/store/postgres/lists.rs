//! Statements that are not about one record: due records, pages of lists, documents and readiness.
//!
//! They have a connection of their own, so that a long list delays no claim.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use sqlx::postgres::{PgArguments, PgRow};
use sqlx::query::Query;
use sqlx::{Postgres, Row, query};
use tokio::sync::Mutex;

use crate::clock::Timestamp;
use crate::protocol::{Record, RecordId};
use crate::store::{Document, DocumentName, Due, Filter, PAGE_SCAN, Page, Replaced, StoreError};

use super::failure::Failure;
use super::primary::standby;
use super::row::{self, Moment, moment};
use super::session::Session;
use super::setup::Setup;
use super::statements::Statements;

/// A connection for such statements. It runs one statement at a time.
pub(super) struct ListConnection {
    setup: Arc<Setup>,
    pub(super) statements: Arc<Statements>,
    /// `None` while a statement runs, after a statement that was given up, and after a failure of the
    /// session.
    session: Mutex<Option<Session>>,
}

impl ListConnection {
    /// Creates a list connection that uses `session`.
    pub(super) fn new(setup: Arc<Setup>, statements: Arc<Statements>, session: Session) -> Self {
        Self { setup, statements, session: Mutex::new(Some(session)) }
    }

    /// Implements [`crate::store::Store::due`].
    pub(super) async fn due(&self, limit: usize) -> Result<Due, StoreError> {
        let statement = query(self.statements.due.clone()).bind(count(limit));
        let rows = self.ask(statement).await.map_err(Failure::of_a_read)?;
        let now = clock(&rows, "now")?;
        let quiet_for = quiet_for(&rows, now)?;
        let mut due = Due { records: Vec::new(), now, quiet_for };
        for row in rows {
            let Some((id, record)) = decode(&row)? else { continue };
            match record {
                Ok(record) => due.records.push((id, record)),
                Err(error) => {
                    tracing::error!("{error}; it is left as it is");
                    self.postpone(id, &row).await?;
                }
            }
        }
        Ok(due)
    }

    /// Implements [`crate::store::Store::page`].
    pub(super) async fn page(&self, filter: &Filter, limit: usize) -> Result<Page, StoreError> {
        let sql = match filter.state {
            Some("unknown") => &self.statements.page_of_unknown,
            _ => &self.statements.page,
        };
        let after = filter.after.map(|id| id.as_bytes().to_vec()).unwrap_or_default();
        let statement = query(sql.clone())
            .bind(after)
            .bind(filter.state)
            .bind(filter.route.clone())
            .bind(count(PAGE_SCAN))
            .bind(count(limit));
        let rows = self.ask(statement).await.map_err(Failure::of_a_read)?;
        let mut page = Page { now: clock(&rows, "now")?, ..Page::default() };
        let mut shown = 0;
        for row in &rows {
            match decode(row)? {
                Some((id, Ok(record))) => {
                    page.next = Some(id);
                    page.records.push((id, record));
                    shown += 1;
                }
                Some((_, Err(error))) => {
                    tracing::error!("{error}; it is left as it is");
                    shown += 1;
                }
                None => {}
            }
        }
        let looked_at = rows.last().map_or(Ok(0), |row| row.try_get("looked_at")).map_err(Failure::from)?;
        if shown < limit {
            let last = rows.last().map_or(Ok(None), row::id)?;
            page.next = last.filter(|_| looked_at == count(PAGE_SCAN));
        }
        // The clock never goes back behind one of its own stamps.
        let newest = page.records.iter().map(|(_, record)| record.updated_at).max().unwrap_or_default();
        page.now = page.now.max(newest);
        Ok(page)
    }

    /// Writes a row like a claim would.
    pub(super) async fn ready(&self) -> Result<(), StoreError> {
        Ok(self.ask(query(self.statements.ready.clone())).await.map(drop)?)
    }

    /// Implements [`crate::store::Store::document`].
    pub(super) async fn document(&self, name: DocumentName) -> Result<Document, StoreError> {
        let statement = with_name(query(self.statements.of(name).read.clone()), name);
        let rows = self.ask(statement).await.map_err(Failure::of_a_read)?;
        let now = clock(&rows, "now")?;
        let encoded = rows.last().map_or(Ok(None), |row| row.try_get("encoded")).map_err(Failure::from)?;
        Ok(Document { bytes: encoded.map(|bytes: Vec<u8>| bytes.into()), now })
    }

    /// Implements [`crate::store::Store::replace_document`].
    pub(super) async fn replace_document(
        &self,
        name: DocumentName,
        expected: Option<Bytes>,
        document: Bytes,
    ) -> Result<Replaced, StoreError> {
        let expected = expected.map(|bytes| bytes.to_vec());
        let statement =
            query(self.statements.of(name).replace.clone()).bind(expected).bind(document.to_vec());
        Ok(Replaced::where_equal(!self.ask(with_name(statement, name)).await?.is_empty()))
    }

    async fn postpone(&self, id: RecordId, row: &PgRow) -> Result<(), StoreError> {
        let revision: i64 = row.try_get("revision").map_err(Failure::from)?;
        let statement = query(self.statements.postpone.clone()).bind(*id.as_bytes()).bind(revision);
        Ok(self.ask(statement).await.map(drop)?)
    }

    pub(super) async fn ask(
        &self,
        statement: Query<'_, Postgres, PgArguments>,
    ) -> Result<Vec<PgRow>, Failure> {
        let mut kept = self.session.lock().await;
        // The session is taken out while in use: if this future is dropped half-way, it is not used again.
        let mut session = match kept.take() {
            Some(session) => session,
            None => Session::open(&self.setup).await?,
        };
        let answered = session.ask(statement).await;
        if answered.as_ref().err().is_none_or(Failure::leaves_session) {
            *kept = Some(session);
        }
        answered
    }
}

/// Binds the name of a document, where the document shares its table with others.
fn with_name(
    statement: Query<'_, Postgres, PgArguments>,
    name: DocumentName,
) -> Query<'_, Postgres, PgArguments> {
    match name {
        DocumentName::Names | DocumentName::Clock => statement,
        DocumentName::Notifier | DocumentName::Notified(_) => statement.bind(name.text().into_owned()),
    }
}

/// Returns the record in a row, or `None` if the row is about no record.
#[expect(clippy::type_complexity, reason = "said once, and taken apart where it is called")]
pub(super) fn decode(row: &PgRow) -> Result<Option<(RecordId, Result<Record, StoreError>)>, Failure> {
    let Some(id) = row::id(row)? else { return Ok(None) };
    Ok(row::record(row, id)?.map(|record| (id, record)))
}

/// Returns the clock, which the last row of a list holds, if the server is a primary.
pub(super) fn clock(rows: &[PgRow], column: &str) -> Result<Timestamp, Failure> {
    let last = rows.last().ok_or_else(|| Failure::Down("a list came without its last row".into()))?;
    if last.try_get("standby")? { Err(standby()) } else { moment(last, column) }
}

/// Returns the time until the earliest deadline that has not passed, of the last row. If the statement returned
/// records, more may be due.
fn quiet_for(rows: &[PgRow], now: Timestamp) -> Result<Duration, Failure> {
    match rows {
        [last] => {
            let next: Option<Moment> = last.try_get("next")?;
            Ok(next.map_or(Duration::MAX, |Moment(next)| next.since(now)))
        }
        _ => Ok(Duration::ZERO),
    }
}

pub(super) fn count(number: usize) -> i64 {
    i64::try_from(number).unwrap_or(i64::MAX)
}
