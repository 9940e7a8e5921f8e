//! The cost of each step, and the data that it leaves.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use http::StatusCode;
use oncegate::protocol::{Policy, RecordId, StoredResponse};
use oncegate::secret::Secret;
use oncegate::store::redis::{Address, RedisStore, Servers, Settings};
use oncegate::store::{Change, Claimed, Filter, Store, StoreError};
use tokio::task::JoinSet;

use super::{settings, store, terms};
use crate::bench::{Bench, HOUR, STILL, claim, complete, id, owner, response_of};
use crate::contract::round_trips::each_step;
use crate::decisions;
use crate::events::{Event, Verdict};
use crate::servers::proxy::Proxy;
use crate::servers::redis::{Server, primary_and_replica};

fn key(id: RecordId) -> String {
    let id = id.to_string();
    format!("oncegate:{{{}}}:{id}", &id[..2])
}

async fn count_round_trips(server: &Server, wait_replicas: u32) {
    let proxy = Proxy::to(server.port).await;
    let servers = Servers::One(Address::Tcp("127.0.0.1".into(), proxy.port));
    let settings = Settings { servers, wait_replicas, ..settings(server) };
    let bench = Bench::of(Arc::new(RedisStore::open(settings, terms()).await.expect("a store")));
    each_step(&bench, || proxy.round_trips()).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn each_step_is_one_round_trip() {
    count_round_trips(&Server::start(), 0).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn waiting_for_replicas_adds_no_round_trip() {
    let (primary, _replica) = primary_and_replica(&[]);
    count_round_trips(&primary, 1).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn scripts_that_were_flushed_are_sent_again_and_run_once() {
    let server = Server::start();
    let store = Arc::new(store(&server).await);
    for round in 0..10 {
        server.say::<()>("SCRIPT FLUSH");
        let mut claims = JoinSet::new();
        for number in 1..=16 {
            let (store, first) = (Arc::clone(&store), claim(owner(number), STILL).first(Default::default()));
            claims.spawn(async move { store.claim(id(round), first).await.expect("a claim") });
        }
        let claimed = claims.join_all().await;
        assert_eq!(claimed.iter().filter(|claimed| matches!(claimed, Claimed::Won(_))).count(), 1);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_body_burdens_no_record_and_nothing_ends_by_itself() {
    let server = Server::start();
    let bench = Bench::of(Arc::new(store(&server).await));
    let policy = Policy { ttl: HOUR, tombstone_ttl: 2 * HOUR, ..STILL };
    let running = bench.won(id(1), owner(1), policy).await;
    let key = key(id(1));
    let large =
        StoredResponse { status: StatusCode::CREATED, headers: vec![], body: Bytes::from(vec![7; 1 << 20]) };
    decisions::apply(&bench.ledger, id(1), Some(&running), &complete(owner(1), 1), Some(&large))
        .await
        .expect("stored");
    assert!(server.say::<u64>(&format!("STRLEN {key}")) < 400);
    for key in [key.clone(), format!("{key}:response")] {
        assert_eq!(server.say::<i64>(&format!("PTTL {key}")), -1, "{key}: a clock that jumps would end it");
    }
    bench.apply(id(1), Event::Delete).await;
    assert_eq!(server.say::<u64>(&format!("EXISTS {key}:response")), 0);
}

/// A record costs as much as `docs/stores.md` says.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_record_costs_what_is_documented() {
    const MANY: u64 = 20_000;
    let server = Server::start();
    let bench = Bench::of(Arc::new(store(&server).await));
    bench.won(id(MANY), owner(1), STILL).await;
    let used = || server.info("used_memory").parse::<u64>().expect("a number");
    let body = StoredResponse {
        status: StatusCode::CREATED,
        headers: response_of(owner(1)).headers,
        body: Bytes::from(vec![b'x'; 300]),
    };
    let start = used();
    let mut records = Vec::new();
    for number in 0..MANY {
        records.push(bench.won(id(number), owner(number), STILL).await);
    }
    let claimed = used();
    for (number, record) in (0..MANY).zip(&records) {
        let stored = complete(owner(number), 1);
        decisions::apply(&bench.ledger, id(number), Some(record), &stored, Some(&body))
            .await
            .expect("stored");
    }
    let completed = used();
    let (without, with) = ((claimed - start) / MANY, (completed - start) / MANY);
    let key = key(id(1));
    let (record, response) = (
        server.say::<u64>(&format!("MEMORY USAGE {key}")),
        server.say::<u64>(&format!("MEMORY USAGE {key}:response")),
    );
    println!("a record {without} bytes, with a 300-byte response {with}; keys alone {record} and {response}");
    assert!((300..700).contains(&without), "{without} bytes a record");
    assert!((900..1500).contains(&with), "{with} bytes a record with its response");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn bytes_that_are_no_record_are_an_error_and_stay() {
    let server = Server::start();
    let bench = Bench::of(Arc::new(store(&server).await));
    let running = bench.won(id(1), owner(1), Policy { lease: Duration::from_millis(100), ..STILL }).await;
    for garbage in ["x", "0123456789012345678901234567890123456789"] {
        server.say::<()>(&format!("SET {} {garbage}", key(id(1))));
        let unreadable = |error: StoreError| matches!(error, StoreError::Unreadable { .. });
        let first = claim(owner(2), STILL).first(Default::default());
        assert!(bench.store.claim(id(1), first).await.is_err_and(unreadable));
        assert!(bench.store.read(id(1)).await.is_err_and(unreadable));
        let removed = bench.store.compare_and_set(id(1), running.revision, Change::Remove(None)).await;
        assert!(removed.is_err_and(unreadable));
        bench.reach(running.deadline()).await;
        assert!(bench.store.due(10).await.expect("nothing").records.is_empty());
        assert!(bench.store.page(Filter::default(), 10).await.expect("nothing").records.is_empty());
        assert_eq!(server.say::<String>(&format!("GET {}", key(id(1)))), garbage);
    }
    // The sweep reads such a record again after an hour, and not each time.
    let tag = &id(1).to_string()[..2];
    let soon = running.deadline().plus(HOUR / 2).0;
    assert_eq!(server.say::<u64>(&format!("ZCOUNT oncegate:{{{tag}}}:deadlines -inf {soon}")), 0);
    assert_eq!(server.say::<u64>(&format!("ZCARD oncegate:{{{tag}}}:deadlines")), 1);
}

/// A failover can lead to a server with a clock that is behind. The time of the record does not go back, and
/// a write that is in time by the server's own clock is not taken for late.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_record_that_is_stamped_ahead_of_the_server_is_renewed_at_once() {
    let server = Server::start();
    let proxy = Proxy::to(server.port).await;
    let servers = Servers::One(Address::Tcp("127.0.0.1".into(), proxy.port));
    let store = RedisStore::open(Settings { servers, ..settings(&server) }, terms()).await.expect("a store");
    let bench = Bench::of(Arc::new(store));
    let running = bench.won(id(1), owner(1), STILL).await;
    let ahead = running.updated_at.plus(HOUR);
    // The stamp stands after the revision and the time of creation.
    let mut stamp = redis::cmd("SETRANGE");
    stamp.arg(key(id(1))).arg(16).arg(&ahead.0.to_be_bytes());
    stamp.query::<()>(&mut server.connection()).expect("a command");
    let before = proxy.round_trips();
    let renew = Event::Renew { owner: owner(1), n: 1 };
    let renewed =
        decisions::apply(&bench.ledger, id(1), Some(&running), &renew, None).await.expect("a renewal");
    assert_eq!(renewed.record.map(|record| record.updated_at), Some(ahead));
    assert_eq!(proxy.round_trips() - before, 1);
}

/// An index entry without a record is removed.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_entry_without_a_record_is_cleared_away() {
    let server = Server::start();
    let bench = Bench::of(Arc::new(store(&server).await));
    let running = bench.won(id(1), owner(1), Policy { lease: Duration::from_millis(100), ..STILL }).await;
    server.say::<()>(&format!("DEL {}", key(id(1))));
    bench.reach(running.deadline()).await;
    assert!(bench.store.due(10).await.expect("nothing").records.is_empty());
    let tag = &id(1).to_string()[..2];
    assert_eq!(server.say::<u64>(&format!("EXISTS oncegate:{{{tag}}}:deadlines")), 0);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_socket_in_the_file_system_is_an_address() {
    let server = Server::start();
    let servers = Servers::One(Address::Unix(server.socket()));
    let store = RedisStore::open(Settings { servers, ..settings(&server) }, terms()).await.expect("a store");
    let bench = Bench::of(Arc::new(store));
    bench.won(id(1), owner(1), STILL).await;
    assert_eq!(bench.check(id(1), complete(owner(1), 1)).await, Verdict::Stored);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_documented_rights_are_enough() {
    let server = Server::start();
    let documentation = include_str!("../../../docs/stores.md");
    let rights = documentation.lines().map(str::trim).find(|line| line.starts_with("ACL SETUSER gateway"));
    server.say::<()>(&rights.expect("the line of rights").replace("PASSWORD", "hush"));
    let (username, password) = (Some("gateway".into()), Some(Secret("hush".into())));
    let known = Settings { username, password, ..settings(&server) };
    let bench = Bench::of(Arc::new(RedisStore::open(known.clone(), terms()).await.expect("a store")));
    bench.store.ready().await.expect("ready");
    crate::contract::table::every_row_under_hold(bench.clone()).await;
    crate::contract::retention::a_known_outcome_becomes_a_tombstone_and_ends(bench.clone()).await;
    server.say::<()>("FLUSHDB");
    let bench = Bench::of(Arc::new(RedisStore::open(known.clone(), terms()).await.expect("a store")));
    crate::contract::unknown::there_is_nothing_to_mend_in_what_this_release_wrote(bench.clone()).await;
    server.say::<()>("FLUSHDB");
    let bench = Bench::of(Arc::new(RedisStore::open(known.clone(), terms()).await.expect("a store")));
    crate::contract::lists::a_page_shows_what_fits(bench.clone()).await;
    crate::contract::names::one_of_many_replacements_is_made(bench.clone()).await;
    bench.won(id(100), owner(1), Policy { lease: Duration::from_millis(100), ..STILL }).await;
    let woken = bench.store.watch(id(100)).await.expect("a watch");
    bench.apply(id(100), complete(owner(1), 1)).await;
    woken.await;
    let wrong = Settings { password: Some(Secret("loud".into())), ..known };
    let refused = RedisStore::open(wrong, terms()).await.err().expect("a refusal");
    assert!(!refused.may_pass(), "{refused}");
    let source = std::error::Error::source(&refused);
    assert!(source.is_some_and(|source| source.is::<redis::RedisError>()), "{source:?}");
    let refused = refused.to_string();
    assert!(!refused.contains("loud") && refused.to_lowercase().contains("pass"), "{refused}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn tls_is_spoken_and_the_certificate_is_checked() {
    let signed = rcgen::generate_simple_self_signed(vec!["localhost".into()]).expect("a certificate");
    let dir = tempfile::tempdir().expect("a directory");
    let file = |name: &str, text: String| {
        let path = dir.path().join(name);
        std::fs::write(&path, text).expect("a file");
        path.display().to_string()
    };
    let (cert, key) = (file("cert", signed.cert.pem()), file("key", signed.signing_key.serialize_pem()));
    let port = crate::servers::redis::free_port();
    let tls = ["--tls-port", &port.to_string(), "--tls-auth-clients", "no", "--tls-cert-file", &cert];
    let server = Server::with(&[&tls[..], &["--tls-key-file", &key, "--tls-ca-cert-file", &cert]].concat());
    // Another test may have installed it before.
    drop(rustls::crypto::aws_lc_rs::default_provider().install_default());
    let servers = Servers::One(Address::Tcp("localhost".into(), port));
    let trusting = Settings { servers, tls: true, ca: Some(signed.cert.pem().into()), ..settings(&server) };
    let bench = Bench::of(Arc::new(RedisStore::open(trusting.clone(), terms()).await.expect("a store")));
    bench.won(id(1), owner(1), STILL).await;
    let strange = Settings { ca: None, ..trusting };
    let refused = RedisStore::open(strange, terms()).await.err().expect("a stranger's certificate");
    assert!(refused.to_string().contains("certificate") && !refused.may_pass(), "{refused}");
}
