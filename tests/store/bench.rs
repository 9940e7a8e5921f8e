//! The tools of the checks: a store, a ledger over it, and operations made from a number.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use http::{HeaderName, HeaderValue, StatusCode};
use oncegate::clock::Timestamp;
use oncegate::protocol::{
    BodyScheme, Claim, Fingerprint, Key, Labels, OnUnknown, Owner, PathScheme, Policy, Record, RecordId,
    ResponseRef, Scheme, Scope, State, StoredResponse,
};
use oncegate::store::{Claimed, Ledger, Snapshot, Store};

use crate::decisions::{self, Decision};
use crate::events::{Event, Next, Verdict, transition};

pub const HOUR: Duration = Duration::from_secs(3600);
pub const SHORT: Duration = Duration::from_millis(100);

/// A policy under which no deadline passes for an hour.
pub const STILL: Policy = Policy {
    on_unknown: OnUnknown::Hold,
    lease: HOUR,
    response_timeout: HOUR,
    ttl: HOUR,
    tombstone_ttl: HOUR,
};

#[derive(Clone)]
pub struct Bench {
    pub store: Arc<dyn Store>,
    pub ledger: Ledger,
}

impl Bench {
    pub fn of(store: Arc<dyn Store>) -> Self {
        Self { ledger: Ledger::new(Arc::clone(&store), Duration::from_secs(60)), store }
    }

    /// Reads the stored record, and checks that its response exists exactly if it should.
    pub async fn read(&self, id: RecordId) -> Snapshot {
        let snapshot = self.store.read(id).await.expect("a read");
        let expected = match snapshot.record.as_ref().map(|record| record.state) {
            Some(State::Completed { response, .. }) if response.retained => Some(response_of(response.id)),
            _ => None,
        };
        assert_eq!(snapshot.response, expected);
        snapshot
    }

    pub async fn record(&self, id: RecordId) -> Record {
        self.read(id).await.record.expect("a record")
    }

    /// Claims as `owner`, where no record exists yet.
    pub async fn won(&self, id: RecordId, owner: Owner, policy: Policy) -> Record {
        match self.store.claim(id, claim(owner, policy).first(Timestamp(0))).await.expect("a claim") {
            Claimed::Won(record) => record,
            Claimed::Found(found) => panic!("{id} is not free: {found:?}"),
        }
    }

    /// Applies `event` to the stored record.
    pub async fn apply(&self, id: RecordId, event: Event) -> Decision {
        let response = response_in(&event);
        decisions::apply(&self.ledger, id, None, &event, response.as_ref()).await.expect("a decision")
    }

    /// Applies `event` through the store and through the pure protocol, and compares the results.
    pub async fn check(&self, id: RecordId, event: Event) -> Verdict {
        let before = self.read(id).await;
        let pure = transition(before.record.as_ref(), &event, before.now);
        let decision = self.apply(id, event.clone()).await;
        assert_eq!(decision.verdict, pure.verdict, "{event:?} on {:?}", before.record);
        let after = self.read(id).await;
        let expected = match pure.next {
            Next::Unchanged => before.record.clone(),
            Next::Remove => None,
            Next::Write(record) => Some(stamped(record, &before, &after)),
        };
        assert_eq!(after.record, expected, "{event:?} on {:?}", before.record);
        decision.verdict
    }

    /// Waits until the store's clock has reached `moment`.
    pub async fn reach(&self, moment: Timestamp) {
        let any = id(u64::MAX);
        while self.store.read(any).await.expect("a read").now < moment {
            tokio::time::sleep(Duration::from_millis(2)).await;
        }
    }
}

/// Returns `record` with the stamps that the store gave it. The stamps must lie between the two reads.
fn stamped(record: Record, before: &Snapshot, after: &Snapshot) -> Record {
    let stamps = after.record.as_ref().map(|record| (record.created_at, record.updated_at));
    let (created_at, updated_at) = stamps.expect("the record was written");
    assert!(before.now <= updated_at && updated_at <= after.now);
    let first = before.record.as_ref().is_none_or(|old| old.created_at != record.created_at);
    if first {
        assert!(before.now <= created_at && created_at <= after.now);
    }
    let created_at = if first { created_at } else { record.created_at };
    Record { created_at, updated_at, ..record }
}

pub fn id(number: u64) -> RecordId {
    let key = Key::parse(format!("key-{number}").as_bytes()).expect("a valid key");
    RecordId::of("contract", &Scope::anonymous(), &key)
}

pub fn owner(number: u64) -> Owner {
    let mut token = [0xa5; 16];
    // The revision starts from the first eight bytes, which therefore differ like those of a random token.
    token[..8].copy_from_slice(&number.wrapping_mul(0x9e37_79b9_7f4a_7c15).to_be_bytes());
    token[8..].copy_from_slice(&number.to_be_bytes());
    Owner(token)
}

pub fn claim(owner: Owner, policy: Policy) -> Claim {
    claim_on("contract", owner, policy)
}

pub fn claim_on(route: &str, owner: Owner, policy: Policy) -> Claim {
    let scheme =
        Scheme { body: BodyScheme::Raw, headers: vec!["content-type".into()], path: PathScheme::AsSent };
    Claim {
        owner,
        namespace: "contract".into(),
        route: route.into(),
        fingerprint: Fingerprint { scheme: Arc::new(scheme), digest: [7; 32] },
        policy,
        kept: None,
        labels: Labels::stored([("x-request-id", "r-1")]),
    }
}

pub fn retained(owner: Owner) -> ResponseRef {
    ResponseRef { id: owner, status: 201, retained: true }
}

pub fn complete(owner: Owner, n: u32) -> Event {
    Event::Complete { owner, n, response: retained(owner) }
}

/// Returns the only response that `id` names, with repeated headers in an order, and bytes that are not text.
pub fn response_of(id: Owner) -> StoredResponse {
    let headers: [(&str, &[u8]); 5] =
        [("x-b", b"2"), ("x-a", b"1"), ("x-b", b"1"), ("x-bytes", b"\xff\xfe caf\xe9"), ("x-empty", b"")];
    let header = |(name, value): (&'static str, &[u8])| {
        (HeaderName::from_static(name), HeaderValue::from_bytes(value).expect("a valid value"))
    };
    let body: Vec<u8> = (0..=u8::MAX).chain(id.0).collect();
    StoredResponse {
        status: StatusCode::CREATED,
        headers: headers.map(header).into(),
        body: Bytes::from(body),
    }
}

/// Returns the response that belongs to `event`.
fn response_in(event: &Event) -> Option<StoredResponse> {
    use oncegate::protocol::{Evidence, Resolution};
    match event {
        Event::Complete { response, .. }
        | Event::Settle { evidence: Evidence::Executed(Some(response)), .. }
        | Event::Resolve(Resolution::Executed(Some(response)))
            if response.retained =>
        {
            Some(response_of(response.id))
        }
        _ => None,
    }
}
