//! The document with the names of operations, and its entries.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use http::Method;
use oncegate::clock::Timestamp;
use oncegate::protocol::{Entry, Identity, Pattern, Policy};
use oncegate::store::{DocumentName, Names, RecordedRoute, Replaced};
use tokio::task::JoinSet;

use crate::bench::{Bench, SHORT, STILL, claim_on, complete, id, owner};
use crate::decisions;
use crate::events::Event;

const MANY: usize = 32;

async fn replace(bench: &Bench, expected: Option<&'static str>, document: &'static str) -> Replaced {
    let expected = expected.map(Bytes::from);
    bench.store.replace_document(DocumentName::Names, expected, document.into()).await.expect("an answer")
}

async fn stored(bench: &Bench) -> Option<Bytes> {
    bench.store.document(DocumentName::Names).await.expect("an answer").bytes
}

pub async fn a_document_is_replaced_only_where_it_is_the_expected_one(bench: Bench) {
    let before = bench.read(id(1)).await.now;
    let first = bench.store.document(DocumentName::Names).await.expect("an answer");
    assert!(first.bytes.is_none() && first.now >= before, "{first:?}");
    assert_eq!(replace(&bench, Some("a"), "b").await, Replaced::Conflict);
    assert_eq!(stored(&bench).await, None);
    assert_eq!(replace(&bench, None, "a").await, Replaced::Stored);
    for expected in [None, Some("b"), Some("")] {
        assert_eq!(replace(&bench, expected, "c").await, Replaced::Conflict, "{expected:?}");
        assert_eq!(stored(&bench).await.as_deref(), Some(&b"a"[..]));
    }
    assert_eq!(replace(&bench, Some("a"), "b").await, Replaced::Stored);
    assert_eq!(stored(&bench).await.as_deref(), Some(&b"b"[..]));
    // The document is no record, and records are no part of it.
    bench.won(id(1), owner(1), STILL).await;
    assert_eq!(bench.store.page(Default::default(), 10).await.expect("a page").records.len(), 1);
    assert_eq!(bench.store.due(10).await.expect("what is due").records, []);
    assert_eq!(stored(&bench).await.as_deref(), Some(&b"b"[..]));
}

pub async fn a_document_comes_back_byte_for_byte(bench: Bench) {
    let large: Vec<u8> =
        (0..300_000_u32).map(|number| (number.wrapping_mul(2_654_435_761) >> 13) as u8).collect();
    let documents = [Bytes::from(large), Bytes::from_static(b"\0"), Bytes::from_static(b"\xff\0\r\n'{}")];
    let mut before = None;
    for document in documents {
        let replaced = bench
            .store
            .replace_document(DocumentName::Names, before, document.clone())
            .await
            .expect("an answer");
        assert_eq!(replaced, Replaced::Stored);
        assert_eq!(stored(&bench).await.as_ref(), Some(&document));
        before = Some(document);
    }
}

pub async fn one_of_many_replacements_is_made(bench: Bench) {
    let mut before: Option<Bytes> = None;
    for round in 0..10 {
        let mut racers = JoinSet::new();
        for number in 0..MANY {
            let (bench, expected) = (bench.clone(), before.clone());
            let document = Bytes::from(format!("{round} {number}"));
            racers.spawn(async move {
                let replaced =
                    bench.store.replace_document(DocumentName::Names, expected, document.clone()).await;
                (replaced.expect("an answer") == Replaced::Stored).then_some(document)
            });
        }
        let made: Vec<_> = racers.join_all().await.into_iter().flatten().collect();
        before = stored(&bench).await;
        assert_eq!(made, Vec::from_iter(before.clone()), "round {round}");
    }
}

fn entry(namespace: &str) -> Entry {
    Entry {
        method: Method::POST,
        pattern: Pattern::equivalent("/v1/{id}"),
        template: "/v1/{id}".into(),
        identity: Identity {
            namespace: namespace.into(),
            scope: vec!["\"authorization\"".into()],
            key: "{ header = \"idempotency-key\" }".into(),
            scheme: "v1".into(),
        },
        life: Duration::from_secs(60),
        until: Timestamp(7),
        longest_ttl: (Duration::from_secs(30), Timestamp(6)),
        largest_request: 1 << 20,
        quick_start: false,
        accepted: Vec::new(),
        retired: false,
    }
}

pub async fn entries_that_changed_meanwhile_are_not_written_over(bench: Bench) {
    let names = Names::of(Arc::clone(&bench.store), Duration::from_secs(60));
    let (one, other) = (names.read().await.expect("entries"), names.read().await.expect("entries"));
    assert_eq!(one.entries, None);
    assert_eq!(names.write(&one, &[entry("a")]).await, Ok(Replaced::Stored));
    assert_eq!(names.write(&other, &[entry("b")]).await, Ok(Replaced::Conflict));
    let known = names.read().await.expect("entries");
    assert_eq!(known.entries.as_deref(), Some(&[entry("a")][..]));
    assert_eq!(names.write(&known, &[entry("a"), entry("b")]).await, Ok(Replaced::Stored));
    assert_eq!(names.write(&known, &[]).await, Ok(Replaced::Conflict));
}

pub async fn what_records_say_of_an_earlier_release_is_found(bench: Bench) {
    let names = Names::of(Arc::clone(&bench.store), Duration::from_secs(60));
    assert_eq!(names.recorded().await, Ok(None));
    // A tombstone is a record, and a tombstone that has ended is none.
    let gone = Policy { ttl: SHORT, tombstone_ttl: SHORT, ..STILL };
    bench.won(id(1), owner(1), gone).await;
    bench.apply(id(1), complete(owner(1), 1)).await;
    let record = bench.record(id(1)).await;
    bench.reach(record.updated_at.plus(SHORT)).await;
    bench.apply(id(1), Event::Sweep).await;
    bench.reach(record.updated_at.plus(3 * SHORT)).await;
    assert_eq!(names.recorded().await, Ok(None));
    bench.won(id(2), owner(2), Policy { ttl: SHORT, ..STILL }).await;
    bench.apply(id(2), complete(owner(2), 1)).await;
    let expires = bench.record(id(2)).await.deadline();
    bench.reach(expires).await;
    bench.apply(id(2), Event::Sweep).await;
    assert_eq!(bench.record(id(2)).await.state.name(), "expired");
    let recorded = |route: &str| RecordedRoute { route: route.into(), namespace: "contract".into() };
    assert_eq!(names.recorded().await, Ok(Some(BTreeSet::from([recorded("contract")]))));
    decisions::claim(&bench.ledger, id(3), claim_on("other", owner(3), STILL)).await.expect("a claim");
    assert_eq!(names.recorded().await, Ok(Some(BTreeSet::from([recorded("contract"), recorded("other")]))));
}

pub async fn executions_whose_gateway_is_gone_linger(bench: Bench) {
    let names = Names::of(Arc::clone(&bench.store), Duration::from_secs(60));
    bench.won(id(1), owner(1), STILL).await;
    assert_eq!(names.lingering().await, Ok(BTreeSet::new()));
    let record = bench.won(id(2), owner(2), Policy { lease: SHORT, ..STILL }).await;
    bench.reach(record.deadline()).await;
    assert_eq!(names.lingering().await, Ok(BTreeSet::from(["contract".to_owned()])));
    bench.apply(id(2), Event::Sweep).await;
    assert_eq!(names.lingering().await, Ok(BTreeSet::new()));
}
