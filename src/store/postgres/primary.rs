//! The way to the primary, for the store and for other tables in Postgres: the options of a connection, the
//! choice among several servers, and the rows of a statement.

use std::future::poll_fn;
use std::path::Path;
use std::pin::Pin;
use std::time::Duration;

use futures_core::Stream;
use sqlx::Either;
use sqlx::postgres::{PgConnectOptions, PgQueryResult, PgRow};
use tokio::time::timeout;

pub(crate) use super::failure::{Failure, of_connecting};
use super::settings::name;
pub(crate) use super::url::Url;

/// The results of a statement: its rows, and the report that it is done.
type BoxStream<'a> =
    Pin<Box<dyn Stream<Item = Result<Either<PgQueryResult, PgRow>, sqlx::Error>> + Send + 'a>>;

/// Returns the options with which the gateway connects to `server`.
pub(crate) fn connect_options(server: &PgConnectOptions, ca: Option<&Path>) -> PgConnectOptions {
    let trusting = match ca {
        Some(ca) => server.clone().ssl_root_cert(ca),
        None => server.clone(),
    };
    // A pooler in between refuses parameters that it does not know. Omitting this one changes nothing,
    // because no statement reads a floating-point number.
    let named = sqlx::ConnectOptions::disable_statement_logging(trusting).extra_float_digits(None);
    if named.get_application_name().is_some() { named } else { named.application_name("oncegate") }
}

/// Returns the connection that `open` makes to the first server for which it succeeds. Each server has
/// `limit` to answer.
///
/// # Errors
/// The failures of all servers.
pub(crate) async fn first_primary<C, F>(
    servers: impl Iterator<Item = PgConnectOptions>,
    limit: Duration,
    open: impl Fn(PgConnectOptions) -> F,
) -> Result<C, Failure>
where
    F: Future<Output = Result<C, Failure>>,
{
    let mut causes = Vec::new();
    for endpoint in servers {
        let server = name(&endpoint);
        match timeout(limit, open(endpoint)).await {
            Ok(Ok(connection)) => return Ok(connection),
            Ok(Err(failure)) => causes.push(failure.about(&server)),
            Err(_) => causes.push(Failure::down(format!("{server} does not answer"))),
        }
    }
    let ended = causes.iter().find(|failure| failure.ended_without_effect());
    Err(ended.cloned().unwrap_or_else(|| Failure::of_all("", &causes)))
}

/// Returns all rows of a statement. It reads to the end, because the commit comes after the last row.
pub(crate) async fn all(mut answers: BoxStream<'_>) -> Result<Vec<PgRow>, Failure> {
    let (mut rows, mut is_done) = (Vec::new(), false);
    while let Some(answer) = poll_fn(|context| answers.as_mut().poll_next(context)).await {
        match answer {
            Ok(Either::Right(row)) => rows.push(row),
            Ok(Either::Left(_)) => is_done = true,
            Err(error) if is_done => return Err(error.into()),
            Err(error) => return Err(Failure::of_unfinished(error)),
        }
    }
    Ok(rows)
}

/// Returns the failure for a server that is no primary.
pub(crate) fn standby() -> Failure {
    Failure::Down("it is a standby".into())
}
