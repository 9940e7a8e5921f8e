//! A few connections to the primary that holds the marker table.
//!
//! A pooler between the gateway and the server may give each transaction another session. Each request to the
//! server is therefore one message, which is one transaction, and brings its own settings. There are no
//! prepared statements, and no settings stay behind in a session.

use std::time::{Duration, Instant};

use parking_lot::Mutex;
use sqlx::postgres::{PgConnectOptions, PgRow};
use sqlx::{AssertSqlSafe, ConnectOptions, Executor, PgConnection, Row, SqlSafeStr, raw_sql};
use tokio::sync::Semaphore;
use tokio::time::timeout;

use crate::store::primary::{Failure, all, connect_options, first_primary, of_connecting, standby};

/// Number of connections. The callers share them.
const CONNECTIONS: usize = 4;
/// The longest time that an unused connection is kept. A middlebox may drop it silently later.
const KEPT: Duration = Duration::from_secs(30);

/// The connections. One is open only after it was needed.
pub(super) struct Connections {
    servers: Vec<PgConnectOptions>,
    free: Semaphore,
    // Only whole values are pushed and popped under this lock.
    kept: Mutex<Vec<(PgConnection, Instant)>>,
}

impl Connections {
    /// Creates connections to the primary among `servers`. None is opened yet.
    pub(super) fn new(servers: &[PgConnectOptions]) -> Self {
        let servers = servers.iter().map(|server| connect_options(server, None)).collect();
        Self { servers, free: Semaphore::new(CONNECTIONS), kept: Mutex::default() }
    }

    /// Sends one message of SQL, made for the time that is left, and returns the rows of its statements.
    /// `sql` may be sent a second time: over a new connection, if a kept one turns out to be unusable. A
    /// caller that goes away takes its connection with it.
    ///
    /// # Errors
    /// The [`Failure`], which says whether anything can have been written.
    pub(super) async fn ask(
        &self,
        until: Instant,
        sql: impl Fn(Duration) -> String,
    ) -> Result<Vec<PgRow>, Failure> {
        let busy = |_| Failure::down("all connections to the marker table are in use");
        let _permit = timeout(left(until), self.free.acquire()).await.map_err(busy)?;
        if let Some(connection) = self.take() {
            match self.ask_over(connection, until, &sql).await {
                // The server or the network ended the connection, perhaps long ago.
                Err(failure) if !failure.leaves_session() && !left(until).is_zero() => {
                    tracing::debug!("a connection to the marker table is replaced: {failure}");
                }
                answered => return answered,
            }
        }
        let connection = self.open(until).await?;
        self.ask_over(connection, until, &sql).await
    }

    async fn ask_over(
        &self,
        mut connection: PgConnection,
        until: Instant,
        sql: impl Fn(Duration) -> String,
    ) -> Result<Vec<PgRow>, Failure> {
        let answered = send(&mut connection, until, sql(left(until))).await;
        if answered.as_ref().err().is_none_or(Failure::leaves_session) {
            self.kept.lock().push((connection, Instant::now()));
        }
        answered
    }

    fn take(&self) -> Option<PgConnection> {
        let mut kept = self.kept.lock();
        kept.retain(|(_, since)| since.elapsed() < KEPT);
        kept.pop().map(|(connection, _)| connection)
    }

    async fn open(&self, until: Instant) -> Result<PgConnection, Failure> {
        let limit = left(until) / (self.servers.len().max(1) as u32);
        let open = |server: PgConnectOptions| async move {
            let mut connection = server.connect().await.map_err(of_connecting)?;
            let rows = send(&mut connection, until, "SELECT pg_is_in_recovery() AS standby".into()).await;
            match rows.map_err(Failure::of_a_read)?.first().map(|row| row.try_get("standby")) {
                Some(Ok(false)) => Ok(connection),
                _ => Err(standby()),
            }
        };
        first_primary(self.servers.iter().cloned(), limit, open).await
    }
}

/// Sends one message and returns the rows of its statements.
async fn send(connection: &mut PgConnection, until: Instant, sql: String) -> Result<Vec<PgRow>, Failure> {
    let rows = connection.fetch_many(raw_sql(AssertSqlSafe(sql).into_sql_str()));
    match timeout(left(until), all(rows)).await {
        Ok(answered) => answered,
        Err(_) => Err(Failure::unclear("the server of the marker table does not answer")),
    }
}

fn left(until: Instant) -> Duration {
    until.saturating_duration_since(Instant::now())
}
