//! Answers that were replayed a moment ago, kept in this process.
//!
//! A completed record does not change until its ttl ends, so what was read of one may be said again
//! without asking the store: a storm of retries of one operation costs one read. Two things bound how
//! wrong that can be: an operator's deletion through *another* gateway is noticed only after
//! [`AGE`], and the memory is the cache's own share, whatever is replayed.

use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::{Duration, Instant};

use moka::sync::Cache;

use crate::clock::Timestamp;
use crate::protocol::{Record, RecordId, StoredResponse, Verdict};

use super::{Decision, Snapshot};

/// How long an answer is kept.
pub(super) const AGE: Duration = Duration::from_secs(10);
/// What an entry takes beside its body and headers, roughly, in bytes.
const OVERHEAD: usize = 600;
/// From which size on an entry is not put off: the cache counts its entries by the batch, and up to 64
/// that it has not counted may be over its capacity.
const LARGE: usize = 16 << 10;

/// How many counters tell that something was forgotten; each stands for many records.
const COUNTERS: usize = 1024;

/// The answers of one gateway.
pub(super) struct Replays {
    answers: Cache<RecordId, Arc<Seen>>,
    /// How often something was forgotten.
    forgotten: Box<[AtomicU32]>,
}

/// A moment before a record is read: what is read may be kept only if nothing was forgotten since.
#[derive(Clone, Copy, Debug)]
pub(super) struct Before(u32);

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
        let answers = Cache::builder().max_capacity(bytes).weigher(weigh).time_to_live(AGE).build();
        Self { answers, forgotten: (0..COUNTERS).map(|_| AtomicU32::new(0)).collect() }
    }

    /// What was read of the record, at the time it is now.
    pub(super) fn get(&self, id: RecordId) -> Option<Snapshot> {
        let seen = self.answers.get(&id)?;
        let Seen { record, response, now, heard } = &*seen;
        // The store's clock is at least this far.
        let now = now.plus(heard.elapsed());
        Some(Snapshot { record: Some(record.clone()), response: Some(response.clone()), now })
    }

    /// To be asked for before the record is read.
    pub(super) fn before(&self, id: RecordId) -> Before {
        Before(self.counter(id).load(Ordering::SeqCst))
    }

    /// Keeps what a decision showed, if it is a replay with a response.
    pub(super) fn keep(&self, id: RecordId, decision: &Decision, before: Before) {
        let Decision { verdict: Verdict::Replay(_), record: Some(record), response: Some(response), now } =
            decision
        else {
            return;
        };
        let (record, response) = (record.clone(), response.clone());
        let large = response.body.len() > LARGE;
        self.answers.insert(id, Arc::new(Seen { record, response, now: *now, heard: Instant::now() }));
        // Looked at when it is in: whoever forgets after this look finds it.
        if self.counter(id).load(Ordering::SeqCst) != before.0 {
            self.answers.invalidate(&id);
        }
        if large {
            self.answers.run_pending_tasks();
        }
    }

    /// Forgets what may have changed, and what was read of it so far and is not kept yet.
    pub(super) fn forget(&self, id: RecordId) {
        self.counter(id).fetch_add(1, Ordering::SeqCst);
        self.answers.invalidate(&id);
    }

    fn counter(&self, id: RecordId) -> &AtomicU32 {
        // A record's id is a digest: any of its bytes are as good as others.
        let [first, second, ..] = *id.as_bytes();
        &self.forgotten[usize::from(u16::from_be_bytes([first, second])) % COUNTERS]
    }
}

impl Seen {
    fn size(&self) -> usize {
        let headers = self.response.headers.iter();
        let headers: usize = headers.map(|(name, value)| name.as_str().len() + value.len() + 64).sum();
        OVERHEAD + headers + self.response.body.len()
    }
}

#[cfg(test)]
mod tests {
    use bytes::Bytes;
    use http::StatusCode;

    use super::*;
    use crate::protocol::{
        Asked, BodyScheme, Claim, Fingerprint, OnUnknown, Owner, PathScheme, Policy, ResponseRef, Scheme,
    };

    fn replay(body: Bytes) -> Decision {
        let scheme =
            Arc::new(Scheme { body: BodyScheme::Raw, headers: Vec::new(), path: PathScheme::AsSent });
        let (method, headers) = (http::Method::POST, http::HeaderMap::new());
        let asked = Asked { method: &method, path: "/", query: None, headers: &headers, body: b"" };
        let day = Duration::from_secs(86_400);
        let policy = Policy {
            on_unknown: OnUnknown::Hold,
            lease: day,
            response_timeout: day,
            ttl: day,
            tombstone_ttl: day,
        };
        let fingerprint = Fingerprint::of(asked, &scheme);
        let claim =
            Claim { owner: Owner([0; 16]), namespace: "n".into(), route: "r".into(), fingerprint, policy };
        let reference = ResponseRef { id: claim.owner, status: 200, retained: true };
        let response = StoredResponse { status: StatusCode::OK, headers: Vec::new(), body };
        Decision {
            verdict: Verdict::Replay(reference),
            record: Some(claim.first(Timestamp(0))),
            response: Some(response),
            now: Timestamp(0),
        }
    }

    /// Also in the moment of a storm, in which the cache would count later what it takes.
    #[test]
    fn large_answers_never_take_more_than_the_capacity() {
        const MIB: usize = 1 << 20;
        let replays = Replays::of(4 * MIB as u64);
        let bodies: Vec<_> = (0..40_u8).map(|number| Bytes::from(vec![number; MIB])).collect();
        for (number, body) in (0..).zip(&bodies) {
            let id = format!("{number:040x}").parse().expect("an id");
            replays.keep(id, &replay(body.clone()), replays.before(id));
            let kept = bodies.iter().filter(|body| !body.is_unique()).count();
            assert!(kept <= 5, "{kept} MiB are kept after {number}");
        }
    }
}
