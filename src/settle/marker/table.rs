//! The client of a marker table in Postgres.
//!
//! Contract:
//!
//! * A fence is an insert. If it wins, or if the row in its way is fenced, the execution has not committed and
//!   never can, because its own insert breaks the unique constraint.
//! * The row in the way is read by a second statement, because the first one cannot see a row that another
//!   transaction committed meanwhile.
//! * Only a primary says anything. A fence survives a crash of the server.
//! * Every call ends within its timeout. After an error nothing is known, not even whether the fence was
//!   written, and the call may be repeated: a fence that is written twice is one fence.

use std::fmt;
use std::time::{Duration, Instant};

use sqlx::Row as _;
use sqlx::postgres::PgRow;

use crate::protocol::StoredResponse;
use crate::store::Cause;
use crate::store::primary::{Failure, Url, standby};

use super::connections::Connections;
use super::response::{self, Column};
use super::schema::is_plain;

/// A marker table.
pub struct MarkerTable {
    connections: Connections,
    table: String,
    timeout: Duration,
}

/// A row of the table.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Row {
    /// The gateway's row: the execution has not committed, and never can.
    Fenced,
    /// The upstream's row: the execution has committed, perhaps with the response that it wrote.
    Committed(Option<StoredResponse>),
}

/// A call without a result. Nothing is known of the row, and the call may be repeated.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum TableError {
    /// An open transaction of another session that has inserted the row, or keeps the table locked.
    Busy,
    /// A server that was not reached, did not answer in time, or refused.
    Unavailable(Cause),
    /// A setting that an operator has to correct: the table, its columns, a right, credentials.
    Unusable(Cause),
}

impl MarkerTable {
    /// Creates the client of `table` on the primary of `url`. It does not connect yet. Each call ends within
    /// `timeout`.
    ///
    /// # Errors
    /// The reason why the URL or the name of the table does not fit. It does not repeat the URL.
    pub fn new(url: &str, table: &str, timeout: Duration) -> Result<Self, String> {
        let url = Url::parse(url)?;
        if !is_plain(table) {
            return Err("is TABLE or SCHEMA.TABLE of lower-case letters, digits and _".into());
        }
        Ok(Self { connections: Connections::new(&url.servers), table: table.to_owned(), timeout })
    }

    /// Fences `execution`, unless it has a row already, and returns its row.
    ///
    /// # Errors
    /// [`TableError`]: the outcome of the execution stays unknown.
    pub async fn fence(&self, execution: &str) -> Result<Row, TableError> {
        let (execution, until) = (Execution::of(execution)?, Instant::now() + self.timeout);
        let inserted = self.connections.ask(until, |left| self.insert(execution, left)).await?;
        // The settings are rows as well.
        if inserted.iter().any(|row| row.try_get::<bool, _>("fenced").is_ok()) {
            return Ok(Row::Fenced);
        }
        let found = self.read_until(execution, until).await?;
        found.ok_or_else(|| TableError::Unavailable("the row in the way of the fence is gone".into()))
    }

    /// Returns the row of `execution`, if there is one.
    ///
    /// # Errors
    /// [`TableError`]: it is not known whether there is a row.
    pub async fn read(&self, execution: &str) -> Result<Option<Row>, TableError> {
        self.read_until(Execution::of(execution)?, Instant::now() + self.timeout).await
    }

    async fn read_until(&self, execution: Execution<'_>, until: Instant) -> Result<Option<Row>, TableError> {
        let rows = self.connections.ask(until, |left| self.select(execution, left)).await;
        let rows = rows.map_err(Failure::of_a_read)?;
        let row = rows.first().ok_or_else(|| TableError::Unavailable("a read came without a row".into()))?;
        Ok(row_of(row, execution)?)
    }

    /// Returns the message that inserts a fence, and a row if the insert wins.
    fn insert(&self, Execution(execution): Execution<'_>, left: Duration) -> String {
        let (table, limits) = (&self.table, limits(left));
        format!(
            "SET TRANSACTION ISOLATION LEVEL READ COMMITTED; {limits} \
             SELECT set_config('synchronous_commit', 'on', true) \
             WHERE current_setting('synchronous_commit') NOT IN ('on', 'remote_apply'); \
             INSERT INTO {table} (execution, fenced) VALUES ('{execution}', true) \
             ON CONFLICT (execution) DO NOTHING RETURNING fenced;"
        )
    }

    /// Returns the message that reads a row. Its one row also says whether the server is a standby.
    fn select(&self, Execution(execution): Execution<'_>, left: Duration) -> String {
        let (table, limits, longest) = (&self.table, limits(left), response::LONGEST);
        format!(
            "{limits} SELECT pg_is_in_recovery() AS standby, m.fenced, m.response IS NOT NULL AS has_response, \
             CASE WHEN octet_length(m.response::text) <= {longest} THEN m.response::text END AS response \
             FROM (SELECT) AS one LEFT JOIN {table} AS m ON m.execution = '{execution}';"
        )
    }
}

/// Returns the settings that end a message on the server before its caller gives it up.
fn limits(left: Duration) -> String {
    let of = |tenths: u32| (left * tenths / 10).as_millis().max(1);
    format!("SET LOCAL lock_timeout = {}; SET LOCAL statement_timeout = {};", of(6), of(9))
}

fn row_of(row: &PgRow, Execution(execution): Execution<'_>) -> Result<Option<Row>, Failure> {
    if row.try_get("standby")? {
        return Err(standby());
    }
    let column = match row.try_get::<Option<String>, _>("response")? {
        Some(text) => Column::Text(text),
        None if row.try_get("has_response")? => Column::TooLong,
        None => Column::Empty,
    };
    Ok(row.try_get::<Option<bool>, _>("fenced")?.map(|fenced| match fenced {
        true => Row::Fenced,
        false => Row::Committed(response::read(execution, column)),
    }))
}

/// The name of an execution, which needs no escapes in SQL.
#[derive(Clone, Copy)]
struct Execution<'e>(&'e str);

impl<'e> Execution<'e> {
    fn of(name: &'e str) -> Result<Self, TableError> {
        let plain = |byte: u8| byte.is_ascii_alphanumeric() || b":-_.".contains(&byte);
        match !name.is_empty() && name.len() <= 256 && name.bytes().all(plain) {
            true => Ok(Self(name)),
            false => Err(TableError::Unusable("the name of an execution has other characters".into())),
        }
    }
}

impl From<Failure> for TableError {
    fn from(failure: Failure) -> Self {
        match failure {
            failure if failure.has_code(&["55P03"]) => Self::Busy,
            // Class 42: a table, a column or a constraint that is not there.
            Failure::Refused { code, text } if code.starts_with("42") => Self::Unusable(text),
            failure if failure.may_pass() => Self::Unavailable(failure.into_cause()),
            failure => Self::Unusable(failure.into_cause()),
        }
    }
}

impl fmt::Display for TableError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Busy => f.write_str("an open transaction holds the marker row"),
            Self::Unavailable(cause) => write!(f, "the marker table is unavailable: {cause}"),
            Self::Unusable(cause) => write!(f, "the marker table cannot be used: {cause}"),
        }
    }
}

impl std::error::Error for TableError {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        match self {
            Self::Busy => None,
            Self::Unavailable(cause) | Self::Unusable(cause) => cause.source(),
        }
    }
}
