//! `postgres://`: many gateways on one Postgres, 13 or later.
//!
//! Contract:
//!
//! * Every step is one statement and its own transaction. No transaction is open while an upstream is called,
//!   and there are no advisory locks. A claim inserts a record or finds one in its way. A record that another
//!   gateway inserted meanwhile is read by a second statement, because the first one cannot see it. Every
//!   other write compares the revision.
//! * Steps that wait at the same time are combined into one statement (`queue`). A lone step is sent at once.
//! * A statement that the server refuses wrote nothing and is [`StoreError::Unavailable`]. A statement
//!   without an answer is [`StoreError::Unclear`]. A claim carries the moment at which the gateway gives it
//!   up. The server does not make a claim that reaches it later.
//! * Statements go only to a primary, and every answer that there is no record confirms that the server is a
//!   primary.
//! * The server's clock stamps. On one record it never goes back.
//! * Only the sweeper and an operator remove records.
//!
//! An acknowledged write is as durable as the server is configured to make it: without synchronous
//! replication a failover may lose the last writes. [`Durability`] says so.

use std::future::{Future, pending};
use std::pin::Pin;
use std::sync::Arc;

use bytes::Bytes;

use crate::protocol::{Record, RecordId, Revision};

use super::{
    Change, Claimed, Document, DocumentName, Due, Durability, Filter, OpenError, Page, Pending, Replaced,
    Snapshot, Store, StoreError, Swap, Tally, Terms, UnknownFilter, UnknownPage, Woken, waiters::Waiters,
};

use self::connections::Connections;
use self::failure::Failure;
use self::index::Building;
use self::listener::Listener;
use self::lists::ListConnection;
use self::session::Session;
use self::setup::Setup;
use self::statements::Statements;
use self::tasks::{ChangeTask, ClaimTask, ReadTask, WatchTask};

mod batch;
mod failure;
mod index;
mod kind;
mod kind_queue;
mod listener;

mod check;
mod connections;
mod lists;
pub(crate) mod primary;
mod queue;
mod queue_connections;
mod row;
mod schema;
mod session;
mod settings;
mod setup;
mod statements;
mod task_kinds;
mod tasks;
mod unknown;
pub mod url;

pub use self::schema::print as print_schema;
pub use self::settings::Settings;

/// A store in Postgres.
pub struct PostgresStore {
    connections: Connections,
    list_connection: ListConnection,
    listener: Listener,
    waiters: Arc<Waiters>,
    _building: Building,
}

impl PostgresStore {
    /// Connects to the primary and creates missing tables.
    ///
    /// # Errors
    /// There is no connection or no primary, the tables need a newer gateway, or the role may not create
    /// them.
    pub async fn open(settings: Settings, terms: Terms) -> Result<Self, OpenError> {
        let statements = Arc::new(Statements::new(&settings.schema));
        let (setup, waiters) = (Arc::new(Setup { settings, terms }), Arc::new(Waiters::default()));
        let mut session = Session::open(&setup).await?;
        schema::migrate(&mut session, &setup.settings.schema).await?;
        session.warn_of_risks().await?;
        let building = Building::where_missing(&mut session, &setup).await?;
        let listener = Listener::new(Arc::clone(&setup), Arc::clone(&statements), Arc::clone(&waiters));
        let connections = Connections::new(Arc::clone(&setup), Arc::clone(&statements));
        let list_connection = ListConnection::new(setup, statements, session);
        Ok(Self { connections, list_connection, listener, waiters, _building: building })
    }

    async fn write(&self, id: RecordId, expected: Revision, change: Change) -> Result<Swap, StoreError> {
        match ChangeTask::new(id, expected, change) {
            ChangeTask::Write(write) => self.connections.ask(write).await?,
            ChangeTask::Remove(remove) => self.connections.ask(remove).await?,
        }
    }

    async fn read_one(&self, id: RecordId) -> Result<Snapshot, StoreError> {
        self.connections.ask(ReadTask(id)).await.map_err(Failure::of_a_read)?
    }

    async fn join(&self, id: RecordId) -> Result<Woken, StoreError> {
        // The order matters: a notification sent after the mark is set is received, and the waiter is
        // registered.
        let waiter = self.waiters.join(id);
        self.listener.open().await?;
        self.connections.ask(WatchTask(id)).await.map_err(Failure::of_a_read)?;
        Ok(Box::pin(waiter))
    }
}

/// Returns an id that no operation has, because no digest is all zeros.
fn no_record() -> RecordId {
    RecordId::from_bytes(&[0; 20]).expect("an id has twenty bytes")
}

impl Store for PostgresStore {
    fn claim(&self, id: RecordId, first: Record) -> Pending<'_, Claimed> {
        Box::pin(async move { self.connections.ask(ClaimTask::new(id, first)).await? })
    }

    fn compare_and_set(&self, id: RecordId, expected: Revision, change: Change) -> Pending<'_, Swap> {
        Box::pin(self.write(id, expected, change))
    }

    fn read(&self, id: RecordId) -> Pending<'_, Snapshot> {
        Box::pin(self.read_one(id))
    }

    fn page(&self, filter: Filter, limit: usize) -> Pending<'_, Page> {
        Box::pin(async move { self.list_connection.page(&filter, limit).await })
    }

    fn oldest_unknown(&self, filter: UnknownFilter, limit: usize) -> Pending<'_, UnknownPage> {
        Box::pin(async move { self.list_connection.oldest_unknown(&filter, limit).await })
    }

    fn tally(&self) -> Pending<'_, Tally> {
        Box::pin(self.list_connection.tally())
    }

    fn due(&self, limit: usize) -> Pending<'_, Due> {
        Box::pin(self.list_connection.due(limit))
    }

    fn watch(&self, id: RecordId) -> Pending<'_, Woken> {
        Box::pin(self.join(id))
    }

    fn document(&self, name: DocumentName) -> Pending<'_, Document> {
        Box::pin(self.list_connection.document(name))
    }

    fn replace_document(
        &self,
        name: DocumentName,
        expected: Option<Bytes>,
        document: Bytes,
    ) -> Pending<'_, Replaced> {
        Box::pin(self.list_connection.replace_document(name, expected, document))
    }

    fn ready(&self) -> Pending<'_, ()> {
        Box::pin(async move {
            // A statement under way may be one that a caller gave up and now checks, so wait for it first.
            self.connections.running_tasks_ended().await;
            self.list_connection.ready().await?;
            // Claims use other connections, which have to work as well.
            self.read_one(no_record()).await.map(drop)
        })
    }

    fn broken(&self) -> Pin<Box<dyn Future<Output = String> + Send + '_>> {
        // The server may always come back.
        Box::pin(pending())
    }

    fn durability(&self) -> Durability {
        Durability::Server
    }
}
