//! The list of unknown outcomes while gateways of the release before write to the same Redis.
//!
//! `release-before` holds the scripts of that release, as it sends them.

use std::sync::Arc;

use crate::events::{Event, Next, transition};
use oncegate::protocol::{Reason, Record, RecordId, Resolution};
use oncegate::store::codec::encode_record;
use redis::Value;

use super::store;
use crate::bench::{Bench, STILL, claim_on, complete, id, owner};
use crate::contract::unknown::{listed, tally, unknown_on};
use crate::servers::redis::Server;

const RECORD: &str = include_str!("release-before/record.lua");
const WRITE: &str = include_str!("release-before/write.lua");
const REMOVE: &str = include_str!("release-before/remove.lua");

fn in_bucket(id: RecordId, name: &str) -> String {
    format!("oncegate:{{{}}}:{name}", &id.to_string()[..2])
}

/// Applies `event` to the record as a gateway of the release before does.
async fn as_before(server: &Server, bench: &Bench, id: RecordId, event: Event) -> Option<Record> {
    let snapshot = bench.read(id).await;
    let known = snapshot.record.expect("a record");
    let (script, next) = match transition(Some(&known), &event, snapshot.now).next {
        Next::Write(record) => (WRITE, Some(record)),
        Next::Remove => (REMOVE, None),
        Next::Unchanged => panic!("{event:?} changes nothing"),
    };
    let mut call = redis::cmd("EVAL");
    call.arg(format!("{RECORD}\n{script}")).arg(if next.is_some() { 5 } else { 4 });
    let record = in_bucket(id, &id.to_string());
    call.arg(&record).arg(format!("{record}:response"));
    call.arg(in_bucket(id, "deadlines")).arg(in_bucket(id, "unknown"));
    match &next {
        None => {
            call.arg(id.as_bytes()).arg(&known.revision.0.to_be_bytes()).arg("oncegate:ended");
        }
        Some(next) => {
            call.arg(in_bucket(id, "mark")).arg(id.as_bytes()).arg(&known.revision.0.to_be_bytes());
            call.arg(&next.revision.0.to_be_bytes()).arg(&next.created_at.0.to_be_bytes());
            call.arg(encode_record(next)).arg(next.until_deadline().as_millis() as u64);
            call.arg(next.state.name()).arg("drop").arg("").arg("oncegate:ended").arg("0");
        }
    }
    let answer: Vec<Value> = call.query(&mut server.connection()).expect("an answer");
    assert_eq!(answer[0], Value::BulkString(b"stored".to_vec()));
    bench.read(id).await.record
}

async fn running(bench: &Bench, number: u64, route: &str) -> RecordId {
    let first = claim_on(route, owner(number), STILL).first(Default::default());
    bench.store.claim(id(number), first).await.expect("a claim");
    id(number)
}

fn lose(number: u64, n: u32) -> Event {
    Event::Lose { owner: owner(number), n, reason: Reason::ConnectionLost }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_the_release_before_made_unknown_is_listed_once_it_was_looked_for() {
    let server = Server::start();
    let bench = Bench::of(Arc::new(store(&server).await));
    let mut all = vec![unknown_on(&bench, 0, "new", STILL).await];
    for number in 1..40 {
        let id = running(&bench, number, "old").await;
        let record = as_before(&server, &bench, id, lose(number, 1)).await.expect("a record");
        all.push((id, record));
    }
    all.sort_by_key(|(id, record)| (record.updated_at, *id));
    assert_eq!(tally(&bench).await.total(), 1, "the others are in no list that is in order of time");
    assert_eq!(bench.store.mend_unknown().await, Ok(39));
    assert_eq!(listed(&bench, None, 7).await, all);
    let counted = tally(&bench).await;
    assert_eq!(counted.routes["old"].records, 39);
    assert_eq!((counted.routes["new"].records, counted.total()), (1, 40));
    assert_eq!(bench.store.mend_unknown().await, Ok(0));
    // A mended record leaves the list as if this release had written it.
    bench.check(id(5), complete(owner(5), 1)).await;
    assert_eq!(listed(&bench, None, 100).await.len(), 39);
    assert_eq!(tally(&bench).await.total(), 39);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_the_release_before_decided_is_left_out_and_cleared_away() {
    let server = Server::start();
    let bench = Bench::of(Arc::new(store(&server).await));
    for number in 0..6 {
        unknown_on(&bench, number, "new", STILL).await;
    }
    let cleared = Event::Resolve(Resolution::NotExecuted { force: true });
    as_before(&server, &bench, id(0), cleared.clone()).await;
    as_before(&server, &bench, id(1), Event::Resolve(Resolution::Executed(None))).await;
    assert_eq!(as_before(&server, &bench, id(2), Event::Release { owner: owner(2), n: 1 }).await, None);
    // Cleared, claimed again and unknown again: its entry says an earlier time.
    as_before(&server, &bench, id(3), cleared).await;
    bench.apply(id(3), Event::Claim(claim_on("new", owner(9), STILL))).await;
    let last = as_before(&server, &bench, id(3), lose(9, 2)).await.expect("a record");
    let ids = |list: Vec<(RecordId, Record)>| list.into_iter().map(|(id, _)| id).collect::<Vec<_>>();
    let shown = ids(listed(&bench, None, 2).await);
    assert_eq!((shown.len(), shown.contains(&id(4)), shown.contains(&id(5))), (2, true, true));
    assert_eq!(bench.store.mend_unknown().await, Ok(4));
    assert_eq!(listed(&bench, None, 100).await.last(), Some(&(id(3), last)));
    assert_eq!(tally(&bench).await.total(), 3);
    assert_eq!(server.say::<u64>(&format!("EXISTS {}", in_bucket(id(0), "unknown-since"))), 0);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_record_that_cannot_be_decoded_stays_in_the_list_as_it_is() {
    let server = Server::start();
    let bench = Bench::of(Arc::new(store(&server).await));
    unknown_on(&bench, 0, "new", STILL).await;
    let (sound, _) = unknown_on(&bench, 1, "new", STILL).await;
    server.say::<()>(&format!("SET {} garbage", in_bucket(id(0), &id(0).to_string())));
    assert_eq!(bench.store.mend_unknown().await, Ok(0));
    assert_eq!(listed(&bench, None, 1).await.into_iter().map(|(id, _)| id).collect::<Vec<_>>(), [sound]);
    assert_eq!(tally(&bench).await.total(), 2);
}
