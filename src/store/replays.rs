//! The replay cache: responses that were replayed a moment ago, kept in this process.
//!
//! A completed record does not change until its ttl ends, so its response may be repeated without asking the
//! store: a storm of retries of one operation costs one read. Two limits apply. An operator's deletion
//! through *another* gateway is noticed only after [`AGE`]. The memory never exceeds the cache's own share.

use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::{Duration, Instant};

use foldhash::fast::RandomState;
use moka::sync::Cache;

use crate::clock::Timestamp;
use crate::protocol::{ClaimVerdict, Record, RecordId, Standing, StoredResponse};

use super::Snapshot;
use super::decision::Decision;

/// The longest time that an entry is kept.
pub(super) const AGE: Duration = Duration::from_secs(10);
/// Rough size of an entry without its body and headers, in bytes.
const OVERHEAD: usize = 600;
/// Body size, in bytes, above which an entry is counted at once. The cache counts its entries in batches, so
/// up to 64 uncounted entries may exceed its capacity.
const LARGE: usize = 16 << 10;

/// Number of counters of forgotten entries. Each counter stands for many records.
const COUNTERS: usize = 1024;

/// The replay cache of one gateway.
pub(super) struct Replays {
    answers: Cache<RecordId, Arc<CachedReplay>, RandomState>,
    /// For each counter, the number of times that an entry was forgotten.
    forgotten: Box<[AtomicU32]>,
}

/// A record's counter before the record is read. The result may be kept only if the counter is unchanged.
#[derive(Clone, Copy, Debug)]
pub(super) struct Before(u32);

/// A completed record at the time it was read.
struct CachedReplay {
    record: Record,
    response: StoredResponse,
    /// The store's clock at the read. `heard` is the local moment of the answer.
    now: Timestamp,
    heard: Instant,
}

impl Replays {
    /// Creates a cache of up to `bytes`.
    pub(super) fn of(bytes: u64) -> Self {
        let weigh =
            |_: &RecordId, cached: &Arc<CachedReplay>| u32::try_from(cached.size()).unwrap_or(u32::MAX);
        let answers = Cache::builder().max_capacity(bytes).weigher(weigh).time_to_live(AGE);
        let answers = answers.build_with_hasher(RandomState::default());
        Self { answers, forgotten: (0..COUNTERS).map(|_| AtomicU32::new(0)).collect() }
    }

    /// Returns the kept record, dated with the store's present time.
    pub(super) fn get(&self, id: RecordId) -> Option<Snapshot> {
        let cached = self.answers.get(&id)?;
        let CachedReplay { record, response, now, heard } = &*cached;
        // The store's clock has advanced at least this far.
        let now = now.plus(heard.elapsed());
        Some(Snapshot { record: Some(record.clone()), response: Some(response.clone()), now })
    }

    /// Returns the record's counter. Call this before the record is read.
    pub(super) fn before(&self, id: RecordId) -> Before {
        Before(self.counter(id).load(Ordering::SeqCst))
    }

    /// Keeps the record of a decision, if it is a replay with a response.
    pub(super) fn keep(&self, id: RecordId, decision: &Decision<ClaimVerdict>, before: Before) {
        let Decision {
            verdict: ClaimVerdict::NotWon(Standing::Replay(record, _)),
            response: Some(response),
            now,
        } = decision
        else {
            return;
        };
        let (record, response) = (record.clone(), response.clone());
        let large = response.body.len() > LARGE;
        self.answers
            .insert(id, Arc::new(CachedReplay { record, response, now: *now, heard: Instant::now() }));
        // Checked after the insertion, so that a later `forget` finds the entry.
        if self.counter(id).load(Ordering::SeqCst) != before.0 {
            self.answers.invalidate(&id);
        }
        if large {
            self.answers.run_pending_tasks();
        }
    }

    /// Removes an entry that may have changed. Earlier reads that are not kept yet are rejected.
    pub(super) fn forget(&self, id: RecordId) {
        self.counter(id).fetch_add(1, Ordering::SeqCst);
        self.answers.invalidate(&id);
    }

    fn counter(&self, id: RecordId) -> &AtomicU32 {
        // A record's id is a digest, so any of its bytes serve equally well.
        let [first, second, ..] = *id.as_bytes();
        &self.forgotten[usize::from(u16::from_be_bytes([first, second])) % COUNTERS]
    }
}

impl CachedReplay {
    fn size(&self) -> usize {
        let headers = self.response.headers.iter();
        let headers: usize = headers.map(|(name, value)| name.as_str().len() + value.len() + 64).sum();
        let labels: usize =
            self.record.labels.iter().map(|(name, value)| name.len() + value.len() + 64).sum();
        OVERHEAD + headers + labels + self.response.body.len()
    }
}

#[cfg(test)]
mod tests {
    use bytes::Bytes;
    use http::StatusCode;

    use super::*;
    use crate::protocol::{
        BodyScheme, Claim, Fingerprint, Labels, OnUnknown, Owner, PathScheme, Policy, RequestParts,
        ResponseRef, Scheme,
    };

    fn replay(body: Bytes) -> Decision<ClaimVerdict> {
        let scheme =
            Arc::new(Scheme { body: BodyScheme::Raw, headers: Vec::new(), path: PathScheme::AsSent });
        let (method, headers) = (http::Method::POST, http::HeaderMap::new());
        let asked = RequestParts { method: &method, path: "/", query: None, headers: &headers, body: b"" };
        let day = Duration::from_secs(86_400);
        let policy = Policy {
            on_unknown: OnUnknown::Hold,
            lease: day,
            response_timeout: day,
            ttl: day,
            tombstone_ttl: day,
        };
        let fingerprint = Fingerprint::of(asked, &scheme);
        let claim = Claim {
            owner: Owner([0; 16]),
            namespace: "n".into(),
            route: "r".into(),
            fingerprint,
            policy,
            kept: None,
            labels: Labels::default(),
        };
        let reference = ResponseRef { id: claim.owner, status: 200, retained: true };
        let response = StoredResponse { status: StatusCode::OK, headers: Vec::new(), body };
        Decision {
            verdict: ClaimVerdict::NotWon(Standing::Replay(claim.first(Timestamp(0)), reference)),
            response: Some(response),
            now: Timestamp(0),
        }
    }

    /// Even in a storm of retries, in which the cache would otherwise count its entries late.
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
