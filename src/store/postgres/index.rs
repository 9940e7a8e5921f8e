//! The index of unknown records in the order of time, where an earlier release made the tables.
//!
//! New tables have it from the start (`sql/1.sql`). On tables that are in use a running gateway builds it
//! outside any transaction, with `CREATE INDEX CONCURRENTLY`, so that no claim waits for it. Until it is
//! there, lists and counts use the older index of unknown records: they are slower and say the same.
//!
//! Many gateways may try at once. The server lets one build an index of the table at a time. A build that
//! was cut short leaves an index that is not valid: it is dropped, unless a session holds the lock of a build
//! or a vacuum, and built anew.

use std::sync::Arc;
use std::time::Duration;

use sqlx::{AssertSqlSafe, Row, SqlSafeStr, query};
use tokio::task::AbortHandle;
use tokio::time::sleep;

use crate::backoff::jittered;

use super::failure::Failure;
use super::session::Session;
use super::setup::Setup;
use super::statements::within;

/// The longest wait before the state of the index is looked at again.
const PAUSE: Duration = Duration::from_secs(5);

/// Timeouts that let the server work for as long as a build takes.
const BUILD_TIMEOUTS: &str = "SET statement_timeout = '6h'; SET lock_timeout = 0;";

/// Timeouts of the removal of an index that a build left unfinished.
const DROP_TIMEOUTS: &str = "SET statement_timeout = '1min'; SET lock_timeout = '1s';";

const CREATE: &str = "CREATE INDEX CONCURRENTLY IF NOT EXISTS record_unknown_since \
    ON {schema}.record (updated_at, id) INCLUDE (route) WHERE state = 'unknown'";

const DROP: &str = "DROP INDEX CONCURRENTLY IF EXISTS {schema}.record_unknown_since";

/// The state of the index. `busy` says that a session builds an index of the table, or vacuums it.
const STATE: &str = "SELECT i.indisvalid AS valid, EXISTS (
        SELECT 1 FROM pg_locks l JOIN pg_database d ON d.oid = l.database
        WHERE l.relation = i.indrelid AND l.mode = 'ShareUpdateExclusiveLock' AND l.granted
            AND l.pid <> pg_backend_pid() AND d.datname = current_database()
    ) AS busy
    FROM pg_index i WHERE i.indexrelid = to_regclass($1)";

/// State of the index.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum IndexState {
    /// There is no index.
    Absent,
    /// The index is used.
    Valid,
    /// Another session may be building it.
    Busy,
    /// A build was cut short.
    Broken,
}

/// A build in the background. Dropping it ends the attempts of this gateway.
pub(super) struct Building(Option<AbortHandle>);

impl Building {
    /// Looks for the index, and begins to build it where it is missing.
    ///
    /// # Errors
    /// [`Failure`] if the server does not say whether there is one.
    pub(super) async fn where_missing(session: &mut Session, setup: &Arc<Setup>) -> Result<Self, Failure> {
        if index_state(session, &setup.settings.schema).await? == IndexState::Valid {
            return Ok(Self(None));
        }
        Ok(Self(Some(tokio::spawn(keep_trying(Arc::clone(setup))).abort_handle())))
    }
}

impl Drop for Building {
    fn drop(&mut self) {
        if let Some(attempts) = &self.0 {
            attempts.abort();
        }
    }
}

/// Returns a sentence and the statement for an operator who makes the tables by hand.
pub(super) fn by_hand(schema: &str) -> String {
    let text =
        format!("\n-- Tables that were made before this index was: outside a transaction,\n-- {CREATE};\n");
    within(schema, &text)
}

async fn keep_trying(setup: Arc<Setup>) {
    loop {
        match try_once(&setup).await {
            Ok(IndexState::Valid) => return,
            Ok(_) => {}
            Err(failure) if failure.has_code(&["42501"]) => {
                return tracing::info!(
                    schema = setup.settings.schema,
                    "lists of unknown outcomes take longer than they must: {failure}; the owner of the tables can \
                     make the index with what `oncegate check --print-schema` prints"
                );
            }
            Err(failure) => tracing::debug!("the index of unknown outcomes is not built yet: {failure}"),
        }
        sleep(jittered(PAUSE)).await;
    }
}

/// Returns the state that was found, or `Valid` once the index was built.
async fn try_once(setup: &Setup) -> Result<IndexState, Failure> {
    let mut session = Session::open(setup).await?;
    let state = index_state(&mut session, &setup.settings.schema).await?;
    if matches!(state, IndexState::Valid | IndexState::Busy) {
        return Ok(state);
    }
    let run = async |session: &mut Session, text: &str| {
        session.run(AssertSqlSafe(within(&setup.settings.schema, text)).into_sql_str()).await
    };
    if state == IndexState::Broken {
        // Not behind the build of another gateway: the index that it drops then would be that gateway's.
        run(&mut session, DROP_TIMEOUTS).await?;
        run(&mut session, DROP).await?;
    }
    run(&mut session, BUILD_TIMEOUTS).await?;
    run(&mut session, CREATE).await?;
    let state = index_state(&mut session, &setup.settings.schema).await?;
    if state == IndexState::Valid {
        tracing::info!(schema = setup.settings.schema, "built the index of unknown outcomes");
    }
    Ok(state)
}

async fn index_state(session: &mut Session, schema: &str) -> Result<IndexState, Failure> {
    let name = format!("{schema}.record_unknown_since");
    let rows = session.ask(query(STATE).bind(name)).await?;
    let Some(row) = rows.first() else { return Ok(IndexState::Absent) };
    Ok(match (row.try_get("valid")?, row.try_get("busy")?) {
        (true, _) => IndexState::Valid,
        (false, true) => IndexState::Busy,
        (false, false) => IndexState::Broken,
    })
}
