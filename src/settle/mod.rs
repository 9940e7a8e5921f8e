//! Settling unknown outcomes: the one place that asks whether an unknown execution acted.
//!
//! Three callers ask here, and none of them knows a witness:
//!
//! 1. An attempt that meets an unknown outcome ([`Settler::settle`]).
//! 2. An owner with a late completion ([`Settler::may_complete`]).
//! 3. An operator who decides that an operation was not executed ([`Settler::fence`]).
//!
//! The record's policy chooses the witness, not the route's: the promise of the first attempt counts. Today
//! every policy has the witness [`Hold`], because the configuration accepts no other policy. A new witness is
//! one more file here, and one more line in `Settler::witness`.

mod hold;
pub mod marker;
mod witness;

pub use hold::Hold;
pub use witness::{Case, Fence, Testimony, Witness, WitnessFuture};

use crate::protocol::{Evidence, Owner, Record, RecordId, ResponseRef, Settle, SettleVerdict};
use crate::store::{Ledger, StoreError};

/// The part that asks witnesses and records their answers. Cheap to clone.
#[derive(Clone)]
pub struct Settler {
    ledger: Ledger,
    hold: Hold,
}

/// The result of [`Settler::settle`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Settlement {
    /// An outcome that stays unknown.
    Unknown,
    /// A record that has changed, so that the attempt asks again.
    Changed,
    /// An operation that was not executed. Its next execution may take over.
    MayTakeOver {
        /// Number of the unknown execution.
        n: u32,
        /// True if every undecided execution so far was fenced and so can no longer act.
        fenced: bool,
    },
}

impl Settler {
    /// Creates a settler that records in `ledger`.
    #[must_use]
    pub fn new(ledger: Ledger) -> Self {
        Self { ledger, hold: Hold }
    }

    /// Asks what became of the unknown execution of a record, and records that it was executed. `new_owner`
    /// names the response, if the witness brings one.
    ///
    /// # Errors
    /// [`StoreError`], as the store returns it.
    pub async fn settle(
        &self,
        id: RecordId,
        record: &Record,
        new_owner: fn() -> Owner,
    ) -> Result<Settlement, StoreError> {
        self.record_testimony(self.witness(record), id, record, new_owner).await
    }

    async fn record_testimony(
        &self,
        witness: &dyn Witness,
        id: RecordId,
        record: &Record,
        new_owner: fn() -> Owner,
    ) -> Result<Settlement, StoreError> {
        let n = record.state.n();
        let testimony = witness.ask(Case { id, record, n }).await;
        let response = match testimony {
            Testimony::Undecided => return Ok(Settlement::Unknown),
            Testimony::NotExecuted { fenced } => return Ok(Settlement::MayTakeOver { n, fenced }),
            Testimony::Executed(response) => response,
        };
        let reference = response.as_ref().map(|response| ResponseRef::stored(new_owner(), response));
        let settle = Settle { n, evidence: Evidence::Executed(reference) };
        match self.ledger.apply(id, Some(record), &settle, response.as_ref()).await?.verdict {
            SettleVerdict::Settled(_) | SettleVerdict::Lost(_) => Ok(Settlement::Changed),
        }
    }

    /// Tells whether execution `n` may still complete, although its lease is over or its record has moved on.
    pub async fn may_complete(&self, id: RecordId, record: &Record, n: u32) -> bool {
        self.witness(record).may_complete(Case { id, record, n }).await
    }

    /// Fences the unknown execution of a record before an operator declares it not executed.
    pub async fn fence(&self, id: RecordId, record: &Record) -> Fence {
        self.witness(record).fence(Case { id, record, n: record.state.n() }).await
    }

    /// Chooses the witness by the policy of the record.
    fn witness(&self, record: &Record) -> &dyn Witness {
        let _ = record;
        &self.hold
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;
    use std::time::Duration;

    use bytes::Bytes;
    use http::StatusCode;

    use super::*;
    use crate::clock::{SteadyClock, Timestamp};
    use crate::protocol::{
        BodyScheme, Claim, ClaimVerdict, Finding, Fingerprint, Key, OnUnknown, OwnerVerdict, PathScheme,
        Policy, Reason, Report, Scheme, Scope, State, StoredResponse,
    };
    use crate::store::memory::MemoryStore;

    const OWNER: Owner = Owner([1; 16]);

    /// A ledger, and an operation in it with an unknown outcome.
    struct Unknown {
        ledger: Ledger,
        id: RecordId,
        record: Record,
    }

    impl Unknown {
        async fn under(on_unknown: OnUnknown) -> Self {
            let store = MemoryStore::new(Arc::new(SteadyClock::starting(Timestamp(0))));
            let ledger = Ledger::new(Arc::new(store), Duration::from_secs(60));
            let id = RecordId::of("settle", &Scope::anonymous(), &Key::parse(b"key").expect("a key"));
            let ClaimVerdict::Won(_) = ledger.claim(id, claim(on_unknown)).await.expect("a claim").verdict
            else {
                panic!("the operation is not free");
            };
            let lost = Report { owner: OWNER, n: 1, finding: Finding::Lose(Reason::ResponseTimeout) };
            let held = ledger.apply(id, None, &lost, None).await.expect("a report").verdict;
            let OwnerVerdict::Unknown(record) = held else { panic!("{held:?}") };
            Self { ledger, id, record }
        }

        async fn stored(&self) -> Record {
            self.ledger.read(self.id).await.expect("a read").record.expect("a record")
        }
    }

    fn claim(on_unknown: OnUnknown) -> Claim {
        let day = Duration::from_secs(86_400);
        let scheme = Scheme { body: BodyScheme::Raw, headers: Vec::new(), path: PathScheme::AsSent };
        Claim {
            owner: OWNER,
            namespace: "settle".into(),
            route: "settle".into(),
            fingerprint: Fingerprint { scheme: Arc::new(scheme), digest: [0; 32] },
            policy: Policy { on_unknown, lease: day, response_timeout: day, ttl: day, tombstone_ttl: day },
            kept: None,
        }
    }

    fn new_owner() -> Owner {
        Owner([9; 16])
    }

    #[tokio::test]
    async fn hold_changes_nothing() {
        let unknown = Unknown::under(OnUnknown::Hold).await;
        let (settler, record) = (Settler::new(unknown.ledger.clone()), &unknown.record);
        let settled = settler.settle(unknown.id, record, new_owner).await;
        assert_eq!(settled.expect("the store answers"), Settlement::Unknown);
        assert!(settler.may_complete(unknown.id, record, 1).await);
        assert_eq!(settler.fence(unknown.id, record).await, Fence::Absent);
        assert_eq!(unknown.stored().await, *record);
    }

    /// A witness with one testimony.
    struct Says(Testimony);

    impl Witness for Says {
        fn ask<'w>(&'w self, _: Case<'w>) -> WitnessFuture<'w, Testimony> {
            Box::pin(std::future::ready(self.0.clone()))
        }

        fn may_complete<'w>(&'w self, _: Case<'w>) -> WitnessFuture<'w, bool> {
            Box::pin(std::future::ready(false))
        }

        fn fence<'w>(&'w self, _: Case<'w>) -> WitnessFuture<'w, Fence> {
            Box::pin(std::future::ready(Fence::Closed))
        }
    }

    #[tokio::test]
    async fn a_witness_of_an_execution_settles_its_record() {
        let found =
            StoredResponse { status: StatusCode::CREATED, headers: Vec::new(), body: Bytes::from("{}") };
        for response in [None, Some(found)] {
            let unknown = Unknown::under(OnUnknown::Marker).await;
            let settler = Settler::new(unknown.ledger.clone());
            let witness = Says(Testimony::Executed(response.clone()));
            let settled = settler.record_testimony(&witness, unknown.id, &unknown.record, new_owner).await;
            assert_eq!(settled.expect("the store answers"), Settlement::Changed);
            match (unknown.stored().await.state, response) {
                (State::Settled { n: 1, .. }, None) => {}
                (State::Completed { n: 1, response, .. }, Some(_)) => assert_eq!(response.id, new_owner()),
                (state, _) => panic!("{state:?}"),
            }
        }
    }

    #[tokio::test]
    async fn a_witness_of_no_execution_lets_the_next_one_take_over() {
        for fenced in [false, true] {
            let unknown = Unknown::under(OnUnknown::Marker).await;
            let settler = Settler::new(unknown.ledger.clone());
            let witness = Says(Testimony::NotExecuted { fenced });
            let settled = settler.record_testimony(&witness, unknown.id, &unknown.record, new_owner).await;
            assert_eq!(settled.expect("the store answers"), Settlement::MayTakeOver { n: 1, fenced });
            assert_eq!(unknown.stored().await, unknown.record, "a take-over is the attempt's own step");
        }
    }
}
