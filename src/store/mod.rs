//! Where records live: a small trait of atomic primitives, and [`Ledger`], which decides with the
//! protocol and writes with those primitives.
//!
//! The protocol decides, a store obeys. A store knows nothing of outcomes or policies; it
//! compares revisions, stamps each write with its own clock, and tells plainly what it found.

use std::fmt;
use std::future::{Future, pending, ready};
use std::pin::Pin;

use bytes::Bytes;

use crate::clock::Timestamp;
use crate::protocol::{Notice, Record, RecordId, Revision, StoredResponse};

mod clock_note;
pub mod codec;
mod dated;
pub mod embedded;
mod failure;
mod jumps;
pub mod ledger;
pub mod memory;
pub mod names;
pub mod postgres;
pub mod redis;
mod replays;
mod stopped;
mod stored;
mod unknown;
mod waiters;

pub use clock_note::ClockFound;
pub use failure::OpenError;
pub use jumps::{ClockLimits, Jumps, Uptime};
pub use ledger::{Decision, Ledger};
pub use names::{Known, Names, Recorded};
pub use stopped::Stopped;
pub use unknown::{Position, RouteTally, Tally, UnknownFilter, UnknownPage};

/// How many records one page looks at, so that a filter that fits nothing stays cheap.
const PAGE_SCAN: usize = 10_000;

/// What a store's primitives return.
pub type Pending<'a, T> = Pin<Box<dyn Future<Output = Result<T, StoreError>> + Send + 'a>>;

/// Resolves when a watched record may have changed.
pub type Woken = Pin<Box<dyn Future<Output = ()> + Send>>;

/// The atomic primitives. Each call is one round trip and either happened entirely or not at all;
/// [`StoreError`] says which of the two, or that nobody can tell.
///
/// A store stamps `updated_at` of every record it writes with its own clock (and `created_at` of
/// one it creates), and returns that clock's time with everything it found. The clock never goes
/// back, not over a restart either.
pub trait Store: Send + Sync + 'static {
    /// Creates `first` if nothing is stored under `id`, or returns what is, with its response if
    /// it is completed: a replay costs one round trip.
    fn claim(&self, id: RecordId, first: Record) -> Pending<'_, Claimed>;

    /// Makes `change` if the record's revision is still `expected`. The response of a completed
    /// record is written, and one that no longer belongs to a completed record removed, in the
    /// same step.
    fn compare_and_set(&self, id: RecordId, expected: Revision, change: Change) -> Pending<'_, Swap>;

    /// What is stored under `id`, with its response if it is completed.
    fn read(&self, id: RecordId) -> Pending<'_, Snapshot>;

    /// Some records that fit `filter`, in a stable order, without their responses.
    fn page(&self, filter: Filter, limit: usize) -> Pending<'_, Page>;

    /// Lists up to `limit` records with an unknown outcome, the oldest first.
    fn oldest_unknown(&self, filter: UnknownFilter, limit: usize) -> Pending<'_, UnknownPage>;

    /// Counts the records with an unknown outcome. No record is decoded for it.
    fn tally(&self) -> Pending<'_, Tally>;

    /// Compares the index behind [`Store::oldest_unknown`] and [`Store::tally`] with all unknown records,
    /// and mends what a gateway of an earlier release left out or left behind. Returns the number of
    /// mended records. This may take minutes, with pauses for other callers.
    ///
    /// The default is for a store whose index is always right.
    fn mend_unknown(&self) -> Pending<'_, u64> {
        Box::pin(ready(Ok(0)))
    }

    /// Up to `limit` records whose [`Record::deadline`] has passed, the longest past first. One
    /// that cannot be decoded is logged and not returned again; it is never removed.
    fn due(&self, limit: usize) -> Pending<'_, Due>;

    /// Asks to be told when another gateway writes to this record: the future resolves some time
    /// after that, or never. Who asks must look at the record once more after this has answered and
    /// before waiting, and must not rely on being told.
    ///
    /// A store that only one process can use has nobody to tell.
    fn watch(&self, id: RecordId) -> Pending<'_, Woken> {
        let _ = id;
        Box::pin(ready(Ok(Box::pin(pending()) as Woken)))
    }

    /// A document that all gateways of the store share.
    fn document(&self, sheet: Sheet) -> Pending<'_, Document>;

    /// Puts `document` in the place of the one that is `expected`, `None` for none, if it still is that.
    fn replace_document(
        &self,
        sheet: Sheet,
        expected: Option<Bytes>,
        document: Bytes,
    ) -> Pending<'_, Replaced>;

    /// Goes by the time that the machine says from now on, where the store stood still because that time was
    /// too far ahead ([`Stopped::Clock`]). A server's clock is judged by the [`Ledger`].
    fn accept_clock(&self) {}

    /// Why the store takes no claims now, though it answers; the gravest reason where there are several.
    /// Asked before each claim, so it must be cheap. What may begin an execution is refused by the
    /// [`Ledger`] then, and what is stored is answered.
    fn stopped(&self) -> Option<Stopped> {
        None
    }

    /// Answers once the store could take a claim now, or could but for what [`Store::stopped`] says. A store that queues writes answers after
    /// those that were queued before, also where nobody waits for them any more.
    fn ready(&self) -> Pending<'_, ()>;

    /// Resolves when the store can never write again in this process, with the cause. The process
    /// has to end then.
    fn broken(&self) -> Pin<Box<dyn Future<Output = String> + Send + '_>>;

    /// What an acknowledged write survives.
    fn durability(&self) -> Durability;
}

/// What became of a claim.
#[derive(Clone, Debug)]
pub enum Claimed {
    /// The record was created, stamped as returned.
    Won(Record),
    /// Something is stored already.
    Found(Found),
}

/// What a store found, and when by its clock.
#[derive(Clone, Debug)]
pub struct Snapshot {
    /// What is stored; `None` is proof of absence, not a guess.
    pub record: Option<Record>,
    /// The response, where the record is completed and its response was retained.
    pub response: Option<StoredResponse>,
    /// The store's clock at that moment.
    pub now: Timestamp,
}

/// A record that exists, as a store found it.
#[derive(Clone, Debug)]
pub struct Found {
    /// The record.
    pub record: Record,
    /// The response, where the record is completed and its response was retained.
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
    /// Removes the record and its response. The notice is told in the same step, if there is one.
    Remove(Option<Notice>),
}

/// What is written of a record in one step.
#[derive(Clone, Debug)]
pub struct Written {
    /// The new record.
    pub record: Record,
    /// The response, where the new record is completed with a retained response that is not stored yet.
    pub response: Option<StoredResponse>,
    /// The notice of the step, if it is told outside.
    pub notice: Option<Notice>,
}

impl From<Record> for Written {
    fn from(record: Record) -> Self {
        Self { record, response: None, notice: None }
    }
}

/// What became of a [`Store::compare_and_set`].
#[derive(Clone, Debug)]
pub enum Swap {
    /// The change was made; the record as it was stamped, `None` if it was removed.
    Stored(Option<Record>),
    /// The record is another one, or gone; nothing was changed.
    Conflict(Snapshot),
}

/// Name of a document of [`Store::document`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Sheet {
    /// How operations are named ([`Names`]).
    Names,
    /// How far the clock was, and which of its jumps were accepted.
    Clock,
}

/// A document, as a store found it.
#[derive(Clone, Debug)]
pub struct Document {
    /// The document; `None` is proof that there is none.
    pub bytes: Option<Bytes>,
    /// The store's clock at that moment.
    pub now: Timestamp,
}

/// What became of a [`Store::replace_document`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Replaced {
    /// The document was written.
    Stored,
    /// Another one is there, or none; nothing was written.
    Conflict,
}

impl Replaced {
    /// What comes of a comparison that was made while nobody else could write.
    fn where_equal(equal: bool) -> Self {
        if equal { Self::Stored } else { Self::Conflict }
    }
}

/// Which records a [`Store::page`] shows.
#[derive(Clone, Debug, Default)]
pub struct Filter {
    /// Only records whose stored state has this name ([`crate::protocol::State::name`]).
    pub state: Option<&'static str>,
    /// Only records of the route with this name.
    pub route: Option<String>,
    /// Only records after this id, the cursor of the page before.
    pub after: Option<RecordId>,
}

impl Filter {
    /// Whether `record` fits; the cursor is not looked at.
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
    /// Where the next page starts; `None` at the end of the list. A page may be short, even empty,
    /// and have a next one.
    pub next: Option<RecordId>,
    /// The store's clock.
    pub now: Timestamp,
}

/// Records whose time has come.
#[derive(Clone, Debug, Default)]
pub struct Due {
    /// The records.
    pub records: Vec<(RecordId, Record)>,
    /// The store's clock.
    pub now: Timestamp,
}

/// What an acknowledged write survives.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Durability {
    /// Nothing: it is gone with the process.
    None,
    /// A crash of the process and a loss of power: it was synced before it was acknowledged.
    Synced,
    /// What the server survives that it was acknowledged by, and perhaps not a failover of it.
    Server,
}

/// A primitive that did not answer what it was asked.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum StoreError {
    /// Nothing was written: the store did not take the command.
    Unavailable(String),
    /// Nobody can tell whether it was written.
    Unclear(String),
    /// Nothing was written: the store answers, but what it holds is not to be relied on now, so no
    /// execution may begin.
    Refused(String),
    /// What is stored under this id cannot be decoded.
    Unreadable {
        /// The record's id.
        id: RecordId,
        /// What is wrong with it.
        cause: String,
    },
}

impl StoreError {
    /// The same failure where silence is no reason to go on without the store.
    fn or_refused(self) -> Self {
        match self {
            Self::Unavailable(cause) | Self::Unclear(cause) => Self::Refused(cause),
            other => other,
        }
    }

    /// The same failure of a step whose earlier try may have been made.
    fn or_unclear(self) -> Self {
        match self {
            Self::Unclear(cause) => Self::Unclear(cause),
            other => Self::Unclear(other.to_string()),
        }
    }
}

impl fmt::Display for StoreError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Unavailable(cause) => write!(f, "the store is unavailable: {cause}"),
            Self::Refused(cause) => write!(f, "no execution may begin: {cause}"),
            Self::Unclear(cause) => write!(f, "the store may or may not have written: {cause}"),
            Self::Unreadable { id, cause } => write!(f, "record {id} cannot be decoded: {cause}"),
        }
    }
}

impl std::error::Error for StoreError {}
