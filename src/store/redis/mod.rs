//! `redis://`, `rediss://`, `unix:`, `redis+cluster://`, `redis+sentinel://`: a store for many gateways on
//! one Redis 6.2 or later, or on a compatible server.
//!
//! Contract:
//!
//! * Each primitive about one record is one script and one round trip. The script compares the revision,
//!   takes the server's time, and writes the record, its response and its bucket's indexes together or not at
//!   all. Time does not go back on one record: a record is never stamped before its last write.
//! * Sending a script twice is harmless: its first run changed the revision that its second run compares.
//! * A command that a server refuses was not run and is [`StoreError::Unavailable`]. A command without an
//!   answer is [`StoreError::Unclear`]. Only a primary can prove that there is no record.
//! * A script that may begin an execution carries the moment at which the gateway gives it up. A claim that
//!   reaches the server later is not made.
//! * A server is used only while it is a primary that evicts nothing (`server`). After a restart that lost
//!   data, claims are refused for one ttl (`loss`), and the records that are left are still answered.
//! * No execution begins in a bucket that was emptied since this process learnt its mark (`marks`), and none
//!   begins where the server has no room for its outcome (`memory`).
//! * With `wait_replicas`, a write that too few replicas have is [`StoreError::Unclear`], also when a later
//!   command finds it again.
//! * Redis removes nothing by itself, however its clock jumps. Only the sweeper and an operator remove
//!   records.
//!
//! The server's own setup decides how well it keeps an acknowledged write. A failover may lose the last
//! writes. [`Durability`] says so.

use std::future::{Future, pending};
use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use redis::{Value, cmd};

use crate::protocol::{Record, RecordId, Revision, State};

use super::{
    Change, Claimed, Document, DocumentName, Due, Durability, Filter, OpenError, Page, Pending, Replaced,
    Snapshot, Stopped, Store, StoreError, Swap, Tally, Terms, UnknownFilter, UnknownPage, Woken, Written,
    codec,
};

use self::failure::Failure;
use self::keys::{DEADLINES, Keys, MARK, UNKNOWN, UNKNOWN_SINCE, bucket};
use self::link::Common;
use self::marks::Marks;
use self::memory::Outcomes;
use self::nodes::Nodes;
use self::script::{Call, ExecutionStart, Request, Script};
use self::setup::Setup;
use self::value::{Reply, ReplyKind};

mod check;
mod documents;
mod endpoint;
mod failure;
mod fields;
mod keys;
mod kind;
mod link;
mod lists;
mod loss;
mod losses;
mod marks;
mod memory;
mod nodes;
mod persistence;
mod script;
mod server;
mod server_state;
mod session;
mod settings;
mod setup;
mod unknown;
pub mod url;
mod value;

pub use self::settings::{Address, Sentinels, Servers, Settings};

/// Time for which Redis keeps the keys that readiness checks write.
const READY_KEPT: Duration = Duration::from_secs(60);

/// A store in Redis.
pub struct RedisStore {
    shared: Arc<Shared>,
}

/// State that the primitives and the lists share.
struct Shared {
    setup: Arc<Setup>,
    keys: Keys,
    nodes: Nodes,
    common: Arc<Common>,
}

impl RedisStore {
    /// Connects to the servers and examines them.
    ///
    /// # Errors
    /// [`OpenError`] if there is no connection, or if records must not be trusted to a server: it is a
    /// replica, it evicts keys, or its setup does not match `settings`.
    pub async fn open(settings: Settings, terms: Terms) -> Result<Self, OpenError> {
        let (keys, outcomes) = (Keys::new(&settings.prefix), Outcomes::of(terms.largest_response));
        let setup = Arc::new(Setup { settings, terms });
        let common = Arc::new(Common {
            setup: Arc::clone(&setup),
            waiters: Arc::default(),
            marks: Marks::new(keys.clone()),
            outcomes,
        });
        let nodes = Nodes::new(Arc::clone(&common));
        for (_, link) in nodes.primaries().await? {
            link.connected().await?;
            if let Some(warning) = persistence::warning(&link).await {
                tracing::warn!("store: {warning}");
            }
        }
        Ok(Self { shared: Arc::new(Shared { setup, keys, nodes, common }) })
    }
}

impl Shared {
    /// Runs a script about one record, and makes sure that enough replicas have its write.
    async fn run(&self, id: RecordId, call: &Call) -> Result<Reply, Failure> {
        let (answer, replicas) = self.nodes.ask(bucket(id), Request::Script(call), true).await?;
        let reply = Reply::of(answer)?;
        let wanted = self.setup.settings.wait_replicas;
        if reply.kind.is_write() && replicas < wanted {
            return Err(Failure::unclear(format!("only {replicas} of {wanted} replicas have it")));
        }
        Ok(reply)
    }

    /// Runs a script that may begin an execution.
    ///
    /// A script that came too late may in fact have met a clock that was put forward, so it is sent once
    /// more, timed by the clock that the server reported. A script that met another mark is sent once more
    /// after the cause is known.
    async fn begin(&self, id: RecordId, call: &Call) -> Result<Reply, Failure> {
        let known = self.common.marks.of(bucket(id));
        let reply = self.run(id, call).await?;
        match reply.kind {
            ReplyKind::Late => self.nodes.link(bucket(id)).await?.heard(reply.now),
            ReplyKind::Unmarked => {
                let link = self.nodes.link(bucket(id)).await?;
                link.examine_bucket(bucket(id), known).await.map_err(Failure::of_a_read)?;
            }
            _ => return Ok(reply),
        }
        let again = self.run(id, call).await?;
        match again.kind {
            ReplyKind::Late => {
                Err(Failure::Down("it reached Redis after the gateway had given it up".into()))
            }
            ReplyKind::Unmarked => Err(Failure::Down("the mark of its bucket cannot be relied on".into())),
            _ => Ok(again),
        }
    }

    /// Notes what a step means for the room that is kept for outcomes.
    async fn note(&self, id: RecordId, runs: bool, written: usize) {
        if runs {
            self.common.outcomes.begin(id)
        } else {
            self.common.outcomes.end(id)
        }
        if written > 0
            && let Ok(link) = self.nodes.link(bucket(id)).await
        {
            link.memory().wrote(written);
        }
    }

    /// Sends a request that changes no record.
    async fn ask_bucket(&self, bucket: u8, request: Request<'_>) -> Result<Value, Failure> {
        Ok(self.nodes.ask(bucket, request, false).await.map_err(Failure::of_a_read)?.0)
    }

    /// Tells whether writes count only once replicas have them.
    fn touches(&self) -> bool {
        self.setup.settings.wait_replicas > 0
    }

    /// Returns the error for an execution that must not begin.
    async fn refused(&self, bucket: u8) -> StoreError {
        let left =
            match self.nodes.link(bucket).await.map(|link| link.held()) {
                Ok(Some(left)) => left,
                Ok(None) => return StoreError::Refused(
                    "Redis is near its maxmemory, and has room only for the outcomes of running executions"
                        .into(),
                ),
                Err(failure) => return failure.into(),
            };
        StoreError::refused(format!(
            "Redis was restarted without its data or emptied; claims are refused for another {} s (one ttl), or \
             until the field `lost` of the key {}{{…}}:run is removed",
            left.as_secs(),
            self.setup.settings.prefix
        ))
    }

    async fn claim(&self, id: RecordId, first: Record) -> Result<Claimed, StoreError> {
        let mut digits = [0; 40];
        let keys = self.keys.about(id, &mut digits);
        let keys = [keys.record(), keys.response(), keys.of_bucket(DEADLINES), keys.of_bucket(MARK)];
        let encoded = codec::encode_record(&first);
        let call = Call::about_record(Script::Claim, keys, fields::LONGEST + encoded.len())
            .arg(fields::of_claim(id, &first, self.touches()))
            .arg(encoded)
            .starting(Some(ExecutionStart { bucket: bucket(id), is_new: true }));
        let reply = self.begin(id, &call).await?;
        match reply.kind {
            ReplyKind::Stored => {
                self.note(id, true, 0).await;
                Ok(Claimed::Won(Record { created_at: reply.now, updated_at: reply.now, ..first }))
            }
            ReplyKind::Refused => Err(self.refused(bucket(id)).await),
            _ => reply.found(id).map(Claimed::Found),
        }
    }

    async fn write(
        &self,
        id: RecordId,
        expected: Revision,
        record: Record,
        response: Option<Vec<u8>>,
    ) -> Result<Swap, StoreError> {
        let (runs, size) =
            (matches!(record.state, State::Running { .. }), response.as_ref().map_or(0, Vec::len));
        let encoded = codec::encode_record(&record);
        let mut call = self.call_about(Script::Write, id, fields::LONGEST + encoded.len() + size);
        if runs {
            call = call.key(self.keys.about(id, &mut [0; 40]).of_bucket(MARK));
        }
        call = call
            .arg(fields::of_write(id, expected, &record, response.is_some(), self.touches()))
            .arg(encoded)
            .arg(self.keys.channel());
        match (&record.state, response) {
            (State::Unknown { .. }, _) => call = call.arg(record.route.as_bytes()),
            (State::Completed { .. }, Some(response)) => call = call.arg(response),
            _ => {}
        }
        // An old copy of the data may show a record as free, so this may be a new execution.
        let call = call.starting(
            runs.then(|| ExecutionStart { bucket: bucket(id), is_new: !self.common.outcomes.has(id) }),
        );
        let reply = self.begin(id, &call).await?;
        match reply.kind {
            ReplyKind::Stored => {
                self.note(id, runs, size).await;
                Ok(Swap::Stored(Some(Record { updated_at: reply.now, ..record })))
            }
            ReplyKind::Refused => Err(self.refused(bucket(id)).await),
            _ => {
                // The record belongs to another execution by now, and so does its outcome.
                self.note(id, false, 0).await;
                reply.snapshot(id).map(Swap::Conflict)
            }
        }
    }

    async fn remove(&self, id: RecordId, expected: Revision) -> Result<Swap, StoreError> {
        let call = self
            .call_about(Script::Remove, id, fields::LONGEST)
            .arg(fields::of_removal(id, expected))
            .arg(self.keys.channel());
        let reply = self.run(id, &call).await?;
        match reply.kind {
            ReplyKind::Stored => {
                self.note(id, false, 0).await;
                Ok(Swap::Stored(None))
            }
            _ => reply.snapshot(id).map(Swap::Conflict),
        }
    }

    async fn read(&self, id: RecordId) -> Result<Snapshot, StoreError> {
        let mut digits = [0; 40];
        let keys = self.keys.about(id, &mut digits);
        let keys = [keys.record(), keys.response()];
        let call = Call::about_record(Script::Read, keys, 0).arg(fields::of_read(self.touches()));
        self.run(id, &call).await.map_err(Failure::of_a_read)?.snapshot(id)
    }

    async fn watch(&self, id: RecordId) -> Result<Woken, StoreError> {
        // The order matters: an end that is published after the flag is set reaches the subscription, and the
        // waiter is already registered.
        let waiter = self.common.waiters.join(id);
        self.ask_bucket(0, Request::Subscribe(self.keys.channel())).await?;
        let call = Call::new(Script::Watch, [self.keys.record(id)]);
        self.ask_bucket(bucket(id), Request::Script(&call)).await?;
        Ok(Box::pin(waiter))
    }

    /// Writes to every server, as a claim would.
    async fn ready(&self) -> Result<(), StoreError> {
        let wanted = self.setup.settings.wait_replicas;
        for (bucket, link) in self.nodes.primaries().await? {
            let mut set = cmd("SET");
            set.arg(self.keys.ready(bucket)).arg(1).arg("PX").arg(READY_KEPT.as_millis() as u64);
            let (_, replicas) = link.ask(Request::Command(&set), true).await?;
            if replicas < wanted {
                return Err(StoreError::unavailable(format!("only {replicas} of {wanted} replicas follow")));
            }
        }
        Ok(())
    }

    /// Creates a call of a script that may touch all keys of a record.
    fn call_about(&self, script: Script, id: RecordId, arguments: usize) -> Call {
        let mut digits = [0; 40];
        let keys = self.keys.about(id, &mut digits);
        let indexes = [DEADLINES, UNKNOWN, UNKNOWN_SINCE].map(|name| keys.of_bucket(name));
        let [deadlines, unknown, unknown_since] = indexes;
        let keys = [keys.record(), keys.response(), deadlines, unknown, unknown_since];
        Call::about_record(script, keys, arguments)
    }
}

impl Store for RedisStore {
    fn claim(&self, id: RecordId, first: Record) -> Pending<'_, Claimed> {
        Box::pin(self.shared.claim(id, first))
    }

    fn compare_and_set(&self, id: RecordId, expected: Revision, change: Change) -> Pending<'_, Swap> {
        Box::pin(async move {
            match change {
                Change::Remove(_) => self.shared.remove(id, expected).await,
                Change::Write(Written { record, response, .. }) => {
                    let response = response.as_ref().map(codec::encode_response);
                    self.shared.write(id, expected, record, response).await
                }
            }
        })
    }

    fn read(&self, id: RecordId) -> Pending<'_, Snapshot> {
        Box::pin(self.shared.read(id))
    }

    fn page(&self, filter: Filter, limit: usize) -> Pending<'_, Page> {
        Box::pin(async move { self.shared.page(&filter, limit).await })
    }

    fn oldest_unknown(&self, filter: UnknownFilter, limit: usize) -> Pending<'_, UnknownPage> {
        Box::pin(async move { self.shared.oldest_unknown(&filter, limit).await })
    }

    fn tally(&self) -> Pending<'_, Tally> {
        Box::pin(self.shared.tally())
    }

    fn mend_unknown(&self) -> Pending<'_, u64> {
        Box::pin(self.shared.mend_unknown())
    }

    fn due(&self, limit: usize) -> Pending<'_, Due> {
        Box::pin(self.shared.due(limit))
    }

    fn watch(&self, id: RecordId) -> Pending<'_, Woken> {
        Box::pin(self.shared.watch(id))
    }

    fn document(&self, name: DocumentName) -> Pending<'_, Document> {
        Box::pin(self.shared.document(name))
    }

    fn replace_document(
        &self,
        name: DocumentName,
        expected: Option<Bytes>,
        document: Bytes,
    ) -> Pending<'_, Replaced> {
        Box::pin(self.shared.replace_document(name, expected, document))
    }

    fn keep_room_for(&self, largest: u64) {
        self.shared.common.outcomes.grow(largest);
    }

    fn stopped(&self) -> Option<Stopped> {
        let nodes = &self.shared.nodes;
        match () {
            () if nodes.any(|link| link.held().is_some()) => Some(Stopped::LostData),
            () if nodes.any(|link| link.memory().is_full()) => Some(Stopped::Full),
            () => None,
        }
    }

    fn ready(&self) -> Pending<'_, ()> {
        Box::pin(self.shared.ready())
    }

    fn broken(&self) -> Pin<Box<dyn Future<Output = String> + Send + '_>> {
        // A server may always come back.
        Box::pin(pending())
    }

    fn durability(&self) -> Durability {
        Durability::Server
    }
}
