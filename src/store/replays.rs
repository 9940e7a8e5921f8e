//! Answers that were replayed a moment ago, kept in this process.
//!
//! A completed record does not change until its ttl ends, so what was read of one may be said again
//! without asking the store: a storm of retries of one operation costs one read. Two things bound how
//! wrong that can be: an operator's deletion through *another* gateway is noticed only after
//! [`AGE`], and the memory is the cache's own share, whatever is replayed.

use std::sync::Arc;
use std::time::{Duration, Instant};

use moka::sync::Cache;

use crate::clock::Timestamp;
use crate::protocol::{Record, RecordId, StoredResponse, Verdict};

use super::{Decision, Snapshot};

/// How long an answer is kept.
pub(super) const AGE: Duration = Duration::from_secs(10);
/// What an entry takes beside its body and headers, roughly, in bytes.
const OVERHEAD: usize = 600;

/// The answers of one gateway.
pub(super) struct Replays(Cache<RecordId, Arc<Seen>>);

/// A completed record as it was read.
struct Seen {
    record: Record,
    response: StoredResponse,
    /// The store's clock then, and when that was here.
    now: Timestamp,
    heard: Instant,
}

impl Replays {
    /// Answers that take up to `bytes` together.
    pub(super) fn of(bytes: u64) -> Self {
        let weigh = |_: &RecordId, seen: &Arc<Seen>| u32::try_from(seen.size()).unwrap_or(u32::MAX);
        Self(Cache::builder().max_capacity(bytes).weigher(weigh).time_to_live(AGE).build())
    }

    /// What was read of the record, at the time it is now.
    pub(super) fn get(&self, id: RecordId) -> Option<Snapshot> {
        let seen = self.0.get(&id)?;
        let Seen { record, response, now, heard } = &*seen;
        // The store's clock is at least this far.
        let now = now.plus(heard.elapsed());
        Some(Snapshot { record: Some(record.clone()), response: Some(response.clone()), now })
    }

    /// Keeps what a decision showed, if it is a replay with a response.
    pub(super) fn keep(&self, id: RecordId, decision: &Decision) {
        let Decision { verdict: Verdict::Replay(_), record: Some(record), response: Some(response), now } =
            decision
        else {
            return;
        };
        let (record, response) = (record.clone(), response.clone());
        self.0.insert(id, Arc::new(Seen { record, response, now: *now, heard: Instant::now() }));
    }

    /// Forgets what may have changed.
    pub(super) fn forget(&self, id: RecordId) {
        self.0.invalidate(&id);
    }
}

impl Seen {
    fn size(&self) -> usize {
        let headers = self.response.headers.iter();
        let headers: usize = headers.map(|(name, value)| name.as_str().len() + value.len() + 64).sum();
        OVERHEAD + headers + self.response.body.len()
    }
}
