//! The stores of records: a small trait of atomic primitives, and [`Ledger`], which decides with the protocol
//! and writes with those primitives.
//!
//! The protocol decides, a store obeys. A store knows nothing of outcomes or policies. It compares revisions,
//! stamps each write with its own clock, and reports exactly what it found.

use std::future::{Future, pending, ready};
use std::pin::Pin;
use std::time::Duration;

use bytes::Bytes;

use crate::clock::Timestamp;
use crate::protocol::{Notice, Record, RecordId, Revision, StoredResponse};

mod clock_note;
pub mod codec;
mod dated;
mod decision;
mod document;
#[cfg(feature = "embedded")]
pub mod embedded;
mod error;
#[cfg(any(feature = "redis", feature = "postgres"))]
mod failure;
mod jumps;
pub mod ledger;
pub mod memory;
pub mod names;
mod open_error;
#[cfg(feature = "postgres")]
pub mod postgres;
#[cfg(feature = "redis")]
pub mod redis;
mod replays;
mod settings;
mod stopped;
#[cfg(any(feature = "redis", feature = "postgres"))]
mod stored;
mod unknown;
#[cfg(any(feature = "redis", feature = "postgres"))]
mod waiters;

pub use clock_note::ClockFound;
pub use decision::Decision;
pub use document::{Document, DocumentName, Replaced};
pub use error::{Cause, StoreError};
pub use jumps::{ClockLimits, Jumps, Uptime};
pub use ledger::Ledger;
pub use names::{Names, NamesSnapshot, RecordedRoute};
pub use open_error::OpenError;
#[cfg(feature = "postgres")]
pub(crate) use postgres::primary;
pub use settings::{ClockSource, ConnectionCheck, LongestTtl, Loss, Opening, StoreSettings, Terms};
pub use stopped::Stopped;
pub use unknown::{Position, RouteTally, Tally, UnknownFilter, UnknownPage};

/// Number of records that one page examines, so that a filter that fits no record stays cheap.
const PAGE_SCAN: usize = 10_000;

/// The future of a store's primitive.
pub type Pending<'a, T> = Pin<Box<dyn Future<Output = Result<T, StoreError>> + Send + 'a>>;

/// A future that resolves when a watched record may have changed.
pub type Woken = Pin<Box<dyn Future<Output = ()> + Send>>;

/// The atomic primitives. Each call is one round trip, and either happens entirely or not at all.
/// [`StoreError`] says which of the two, or that it is not known.
///
/// A store stamps `updated_at` of every record it writes with its own clock, and `created_at` of every record
/// it creates. It returns that clock's time with every result. The clock never goes back, not even over a
/// restart.
pub trait Store: Send + Sync + 'static {
    /// Creates `first` if no record is stored under `id`. Otherwise returns the stored record, with its
    /// response if it is completed, so that a replay costs one round trip.
    fn claim(&self, id: RecordId, first: Record) -> Pending<'_, Claimed>;

    /// Makes `change` if the record's revision is still `expected`. In the same step it writes the response
    /// of a completed record, or removes a response that no longer belongs to a completed record.
    fn compare_and_set(&self, id: RecordId, expected: Revision, change: Change) -> Pending<'_, Swap>;

    /// Returns the record under `id`, with its response if it is completed.
    fn read(&self, id: RecordId) -> Pending<'_, Snapshot>;

    /// Returns records that fit `filter`, in a stable order, without their responses.
    fn page(&self, filter: Filter, limit: usize) -> Pending<'_, Page>;

    /// Lists up to `limit` records with an unknown outcome, the oldest first.
    fn oldest_unknown(&self, filter: UnknownFilter, limit: usize) -> Pending<'_, UnknownPage>;

    /// Counts the records with an unknown outcome. No record is decoded for it.
    fn tally(&self) -> Pending<'_, Tally>;

    /// Compares the index behind [`Store::oldest_unknown`] and [`Store::tally`] with all unknown records,
    /// and mends what a gateway of an earlier release left out or left behind. Returns the number of
    /// mended records. This may take minutes, with pauses for other callers.
    ///
    /// The default is for a store with an index that is always right.
    fn mend_unknown(&self) -> Pending<'_, u64> {
        Box::pin(ready(Ok(0)))
    }

    /// Returns up to `limit` records that are past their [`Record::deadline`], the longest past first. A
    /// record that cannot be decoded is logged and not returned again. It is never removed.
    fn due(&self, limit: usize) -> Pending<'_, Due>;

    /// Subscribes to writes of other gateways to this record. The future resolves some time after such a
    /// write, or never. A caller must read the record once more after this has answered and before it waits,
    /// and must not rely on being woken.
    ///
    /// A store that only one process can use has no other gateway to listen to.
    fn watch(&self, id: RecordId) -> Pending<'_, Woken> {
        let _ = id;
        Box::pin(ready(Ok(Box::pin(pending()) as Woken)))
    }

    /// Returns a document that all gateways of the store share.
    fn document(&self, name: DocumentName) -> Pending<'_, Document>;

    /// Replaces the document `expected` (`None` for none) by `document`, if it is still the stored one.
    fn replace_document(
        &self,
        name: DocumentName,
        expected: Option<Bytes>,
        document: Bytes,
    ) -> Pending<'_, Replaced>;

    /// Accepts the machine's present time, if the store stopped because that time was too far ahead
    /// ([`Stopped::Clock`]). A server's clock is judged by the [`Ledger`] instead.
    fn accept_clock(&self) {}

    /// Keeps room for responses of up to `largest` bytes, head and body, if that is more than before: a
    /// reload may bring routes with larger responses.
    fn keep_room_for(&self, _largest: u64) {}

    /// Returns the reason why the store takes no claims now although it answers, or the gravest of several
    /// reasons. This is called before each claim, so it must be cheap. Meanwhile the [`Ledger`] refuses
    /// events that may begin an execution, and still answers from stored records.
    fn stopped(&self) -> Option<Stopped> {
        None
    }

    /// Resolves once the store could take a claim now, apart from the reason in [`Store::stopped`]. A store
    /// that queues writes resolves after the writes queued before, even those that have no waiter any more.
    fn ready(&self) -> Pending<'_, ()>;

    /// Resolves when the store can never write again in this process, with the cause. The process has to end
    /// then.
    fn broken(&self) -> Pin<Box<dyn Future<Output = String> + Send + '_>>;

    /// Returns which failures an acknowledged write survives.
    fn durability(&self) -> Durability;
}

/// The result of a claim.
#[derive(Clone, Debug)]
pub enum Claimed {
    /// The record was created; this is its stamped form.
    Won(Record),
    /// A record is stored already.
    Found(Found),
}

/// The result of a read, with the store's clock.
#[derive(Clone, Debug)]
pub struct Snapshot {
    /// The stored record. `None` is proof of absence, not a guess.
    pub record: Option<Record>,
    /// The response, if the record is completed and its response was retained.
    pub response: Option<StoredResponse>,
    /// The store's clock at that moment.
    pub now: Timestamp,
}

/// A record that exists, as a store found it.
#[derive(Clone, Debug)]
pub struct Found {
    /// The record as it is stored.
    pub record: Record,
    /// The response, if the record is completed and its response was retained.
    pub response: Option<StoredResponse>,
    /// The store's clock at that moment.
    pub now: Timestamp,
}

impl From<Found> for Snapshot {
    fn from(Found { record, response, now }: Found) -> Self {
        Self { record: Some(record), response, now }
    }
}

/// A change to one record.
#[derive(Clone, Debug)]
#[expect(
    clippy::large_enum_variant,
    reason = "moved once, from the ledger to the store; a box would cost more"
)]
pub enum Change {
    /// Puts a record in place of the old one.
    Write(Written),
    /// Removes the record and its response. The notice of the step, if there is one, is stored with it.
    Remove(Option<Notice>),
}

/// The parts of a record that one step writes.
#[derive(Clone, Debug)]
pub struct Written {
    /// The new record.
    pub record: Record,
    /// The response, where the new record is completed with a retained response that is not stored yet.
    pub response: Option<StoredResponse>,
    /// The notice of the step, if it has one.
    pub notice: Option<Notice>,
}

impl From<Record> for Written {
    fn from(record: Record) -> Self {
        Self { record, response: None, notice: None }
    }
}

/// The result of a [`Store::compare_and_set`].
#[derive(Clone, Debug)]
pub enum Swap {
    /// The change was made. The record is the stamped one, or `None` if it was removed.
    Stored(Option<Record>),
    /// The record has another revision or is gone. The store changed nothing.
    Conflict(Snapshot),
}

/// Selection of the records that a [`Store::page`] shows.
#[derive(Clone, Debug, Default)]
pub struct Filter {
    /// Only records with a stored state of this name ([`crate::protocol::State::name`]).
    pub state: Option<&'static str>,
    /// Only records of the route with this name.
    pub route: Option<String>,
    /// Only records after this id, the cursor of the previous page.
    pub after: Option<RecordId>,
}

impl Filter {
    /// Tells whether `record` fits. The cursor is not considered.
    #[must_use]
    pub fn fits(&self, record: &Record) -> bool {
        self.state.is_none_or(|state| state == record.state.name())
            && self.route.as_deref().is_none_or(|route| route == &*record.route)
    }
}

/// A part of a list.
#[derive(Clone, Debug, Default)]
pub struct Page {
    /// The records, in the order of their ids.
    pub records: Vec<(RecordId, Record)>,
    /// The start of the next page, or `None` at the end of the list. A page may be short, even empty, and
    /// have a next one.
    pub next: Option<RecordId>,
    /// The store's clock at that moment.
    pub now: Timestamp,
}

/// Records that are past their deadline.
#[derive(Clone, Debug, Default)]
pub struct Due {
    /// The records, the longest past first.
    pub records: Vec<(RecordId, Record)>,
    /// The store's clock at that moment.
    pub now: Timestamp,
    /// Time until the earliest deadline of the other records, by the clock that the deadlines follow. Zero if
    /// that is not known, and the longest duration if there is no other record. It says nothing about records
    /// that are written later.
    pub quiet_for: Duration,
}

/// The failures that an acknowledged write survives.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Durability {
    /// No failure: the write is lost with the process.
    None,
    /// A crash of the process and a loss of power, because the write is synced before it is acknowledged.
    Synced,
    /// The failures that the acknowledging server survives, but perhaps not a failover.
    Server,
}
