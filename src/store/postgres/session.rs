//! A single connection to the primary.
//!
//! A session runs one statement at a time, each its own transaction. A statement that is not answered within
//! the deadline ends the session, because a late answer could be taken for that of the next statement.

use std::time::{Duration, Instant};

use sqlx::postgres::{PgArguments, PgRow};
use sqlx::query::Query;
use sqlx::{
    AssertSqlSafe, ConnectOptions, Executor, PgConnection, Postgres, Row, SqlSafeStr, SqlStr, query, raw_sql,
};
use tokio::time::timeout;

use crate::clock::Timestamp;

use super::failure::{Failure, of_connecting};
use super::primary::{all, first_primary, standby};
use super::row::Moment;
use super::settings::name;
use super::setup::Setup;

/// The oldest server version that supports all features the statements use.
const OLDEST: i32 = 130_000;

/// A connection that was examined.
pub(super) struct Session {
    connection: PgConnection,
    /// Address of the server.
    pub(super) server: String,
    deadline: Duration,
    /// The server's clock, and the local moment at which it was received.
    clock: (Timestamp, Instant),
}

impl Session {
    /// Connects to the first server that is a primary.
    ///
    /// # Errors
    /// The failures of all servers.
    pub(super) async fn open(setup: &Setup) -> Result<Self, Failure> {
        first_primary(setup.endpoints(), setup.connect_timeout(), |endpoint| async move {
            let server = name(&endpoint);
            let connection = endpoint.connect().await.map_err(of_connecting)?;
            let clock = (Timestamp::default(), Instant::now());
            let mut session = Self { connection, server, deadline: setup.terms.deadline(), clock };
            session.apply_settings(setup).await.map_err(Failure::of_a_read)?;
            Ok(session)
        })
        .await
    }

    async fn apply_settings(&mut self, setup: &Setup) -> Result<(), Failure> {
        let settings = raw_sql(AssertSqlSafe(session_settings(setup)).into_sql_str());
        settings.execute(&mut self.connection).await.map_err(Failure::of_unfinished)?;
        self.examine().await
    }

    /// Checks that the server is still a primary of a supported version.
    ///
    /// # Errors
    /// The reason why it is not.
    pub(super) async fn examine(&mut self) -> Result<(), Failure> {
        let rows = self
            .ask(query(
                "SELECT clock_timestamp() AS now, pg_is_in_recovery() AS standby, \
                 current_setting('server_version_num')::integer AS version",
            ))
            .await?;
        let row = rows.first().ok_or_else(|| Failure::Down("it does not report its state".into()))?;
        if row.try_get("standby")? {
            return Err(standby());
        }
        let version: i32 = row.try_get("version")?;
        if version < OLDEST {
            return Err(Failure::wrong(format!(
                "Postgres {} is too old, 13 is the oldest",
                version / 10_000
            )));
        }
        self.clock_received(row.try_get::<Moment, _>("now")?.0);
        Ok(())
    }

    /// Runs one statement to its end, including its commit.
    ///
    /// # Errors
    /// The [`Failure`], which says whether anything can have been written.
    pub(super) async fn ask(
        &mut self,
        statement: Query<'_, Postgres, PgArguments>,
    ) -> Result<Vec<PgRow>, Failure> {
        match timeout(self.deadline, all(self.connection.fetch_many(statement))).await {
            Ok(answered) => answered,
            Err(_) => {
                Err(Failure::unclear(format!("no answer of {} within {:?}", self.server, self.deadline)))
            }
        }
    }

    /// Prepares a statement on the server, so that even its first use is one round trip.
    pub(super) async fn prepare(&mut self, statement: &SqlStr) -> Result<(), Failure> {
        match timeout(self.deadline, self.connection.prepare(statement.clone())).await {
            Ok(prepared) => prepared.map(drop).map_err(Failure::of_unfinished),
            Err(_) => Err(Failure::down(format!("no answer of {} within {:?}", self.server, self.deadline))),
        }
    }

    /// Logs the settings that make the server lose acknowledged writes.
    pub(super) async fn warn_of_risks(&mut self) -> Result<(), Failure> {
        for risk in self.risks().await? {
            tracing::warn!("{risk}");
        }
        Ok(())
    }

    /// Returns sentences about the settings that make the server lose acknowledged writes.
    pub(super) async fn risks(&mut self) -> Result<Vec<String>, Failure> {
        let mut risks = Vec::new();
        for setting in ["fsync", "full_page_writes"] {
            let statement = query("SELECT current_setting($1) = 'off' AS off").bind(setting);
            let rows = self.ask(statement).await?;
            if rows.first().map_or(Ok(false), |row| row.try_get("off"))? {
                risks.push(format!(
                    "{setting} is off in Postgres: a crash of its machine may lose what it keeps"
                ));
            }
        }
        Ok(risks)
    }

    /// Runs SQL without parameters, as a script.
    pub(super) async fn run(&mut self, script: SqlStr) -> Result<(), Failure> {
        raw_sql(script).execute(&mut self.connection).await?;
        Ok(())
    }

    /// Notes the server's clock, just received.
    pub(super) fn clock_received(&mut self, now: Timestamp) {
        self.clock = (now, Instant::now());
    }

    /// Returns the moment, on the server's clock, at which a statement that is sent now is given up. The
    /// server's clock had at least the noted time when that answer arrived, so the moment is never too late.
    pub(super) fn given_up_at(&self) -> Timestamp {
        let (then, clock_received) = self.clock;
        then.plus(clock_received.elapsed() + self.deadline)
    }
}

/// Returns the settings of every session. The plans must not depend on what the tables held when they were
/// made: each row is found by its key, one after the other in the order of the keys.
fn session_settings(setup: &Setup) -> String {
    format!(
        "SET statement_timeout = {}; SET lock_timeout = {}; \
         SET default_transaction_isolation = 'read committed'; SET client_min_messages = 'error'; \
         SET jit = off; SET plan_cache_mode = 'force_generic_plan'; \
         SET enable_seqscan = off; SET enable_hashjoin = off; SET enable_mergejoin = off; \
         SELECT set_config('synchronous_commit', 'on', false) \
         WHERE current_setting('synchronous_commit') = 'off';",
        setup.terms.deadline().as_millis().max(1),
        setup.lock_timeout().as_millis().max(1),
    )
}
