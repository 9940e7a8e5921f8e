//! A store that goes away, refuses, or gives wrong answers: no record is taken for absent, and the store
//! recovers by itself.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use oncegate::store::redis::{Address, RedisStore, Servers, Settings};
use oncegate::store::{Claimed, DocumentName, Store, StoreError, Terms};

use super::{TIMEOUT, settings, store, terms};
use crate::away::{self, recovered, try_claim, unavailable};
use crate::bench::{Bench, STILL, claim, complete, id, owner, response_of};
use crate::decisions;
use crate::events::Verdict;
use crate::servers::proxy::Proxy;
use crate::servers::redis::{Server, primary_and_replica, until};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_server_that_evicts_is_refused_at_start() {
    let server = Server::with(&["--maxmemory-policy", "volatile-lru"]);
    let refused = RedisStore::open(settings(&server), terms()).await.err().expect("a refusal").to_string();
    assert!(refused.contains("volatile-lru") && refused.contains("CONFIG SET maxmemory-policy noeviction"));
    server.say::<()>("CONFIG SET maxmemory-policy noeviction");
    store(&server).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_server_that_is_not_there_is_named_at_start() {
    let mut server = Server::start();
    server.kill();
    let refused = RedisStore::open(settings(&server), terms()).await.err().expect("a refusal").to_string();
    assert!(refused.contains(&format!("cannot connect to 127.0.0.1:{}", server.port)), "{refused}");
}

/// Stored responses are replayed, and no new claim is taken.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_full_server_takes_no_claim_and_still_replays() {
    let server = Server::start();
    let store = Arc::new(store(&server).await);
    let bench = Bench::of(Arc::clone(&store) as Arc<dyn Store>);
    bench.won(id(1), owner(1), STILL).await;
    bench.apply(id(1), complete(owner(1), 1)).await;
    let running = bench.won(id(2), owner(2), STILL).await;
    server.say::<()>("CONFIG SET maxmemory 1");
    assert!(unavailable(try_claim(&*store, 3).await));
    assert!(unavailable(store.ready().await));
    let response = response_of(owner(2));
    let late =
        decisions::apply(&bench.ledger, id(2), Some(&running), &complete(owner(2), 1), Some(&response)).await;
    assert!(unavailable(late));
    let replay = decisions::claim(&bench.ledger, id(1), claim(owner(9), STILL)).await.expect("a replay");
    assert_eq!(replay.response, Some(response_of(owner(1))));
    server.say::<()>("CONFIG SET maxmemory 0");
    store.ready().await.expect("ready again");
    let late =
        decisions::apply(&bench.ledger, id(2), Some(&running), &complete(owner(2), 1), Some(&response)).await;
    assert_eq!(late.expect("stored").verdict, Verdict::Stored);
}

/// A primary that became a replica does not say which records are absent.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_replica_is_refused_at_start_and_later() {
    let (primary, replica) = primary_and_replica(&[]);
    let refused = RedisStore::open(settings(&replica), terms()).await.err().expect("a refusal").to_string();
    assert!(refused.contains("no primary"), "{refused}");
    let store = store(&primary).await;
    replica.say::<()>("REPLICAOF NO ONE");
    primary.say::<()>(&format!("REPLICAOF 127.0.0.1 {}", replica.port));
    let absent = store.read(id(1)).await;
    assert!(unavailable(absent.clone()), "{absent:?}");
    assert!(unavailable(try_claim(&store, 1).await));
    assert!(unavailable(store.ready().await));
    primary.say::<()>("REPLICAOF NO ONE");
    assert!(recovered(&store, 1).await < 5 * TIMEOUT);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_server_that_loads_its_data_is_unavailable() {
    let server = Server::start();
    let store = store(&server).await;
    for number in 0..300 {
        try_claim(&store, number).await.expect("a claim");
    }
    server.say::<()>("CONFIG SET key-load-delay 5000 loading-process-events-interval-bytes 1024");
    std::thread::scope(|scope| {
        scope.spawn(|| server.say::<()>("DEBUG RELOAD"));
        until("it loads", || server.info("loading") == "1");
        let runtime = tokio::runtime::Handle::current();
        let (claimed, read) = tokio::task::block_in_place(|| {
            runtime.block_on(async { (try_claim(&store, 1000).await, store.read(id(1001)).await) })
        });
        assert!(unavailable(claimed) && unavailable(read));
    });
    recovered(&store, 1000).await;
}

async fn through_a_proxy(server: &Server) -> (Proxy, Arc<RedisStore>) {
    let proxy = Proxy::to(server.port).await;
    let servers = Servers::One(Address::Tcp("127.0.0.1".into(), proxy.port));
    let behind = Settings { servers, ..settings(server) };
    (proxy, Arc::new(RedisStore::open(behind, Terms::new(away::TIMEOUT)).await.expect("a store")))
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_claim_whose_answer_is_lost_is_unclear() {
    let server = Server::start();
    let (proxy, store) = through_a_proxy(&server).await;
    away::a_claim_whose_answer_is_lost_is_unclear(proxy, store).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_claim_that_arrives_after_it_was_given_up_is_not_made() {
    let server = Server::start();
    let (proxy, store) = through_a_proxy(&server).await;
    away::a_claim_that_arrives_after_it_was_given_up_is_not_made(proxy, store).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_cut_wire_costs_one_timeout_and_heals() {
    let server = Server::start();
    let (proxy, store) = through_a_proxy(&server).await;
    away::a_cut_wire_costs_one_timeout_and_heals(proxy, store).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_server_that_comes_back_is_used_again() {
    let server = Server::with(&["--appendonly", "yes"]);
    let (store, server) = (store(&server).await, Mutex::new(server));
    let kill = || server.lock().expect("a lock").kill();
    let start_again = || server.lock().expect("a lock").start_again();
    away::a_server_that_comes_back_is_used_again(&store, TIMEOUT, kill, start_again).await;
}

/// WAIT returns the number of replicas, and the store compares this number.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_no_replica_has_is_not_acknowledged() {
    let (primary, replica) = primary_and_replica(&[]);
    let waiting = Settings { wait_replicas: 1, ..settings(&primary) };
    let terms = Terms::new(Duration::from_millis(500));
    let store = Arc::new(RedisStore::open(waiting, terms).await.expect("a store"));
    let bench = Bench::of(Arc::clone(&store) as Arc<dyn Store>);
    let unclear = |error: StoreError| matches!(error, StoreError::Unclear(_));
    let running = bench.won(id(1), owner(1), STILL).await;
    replica.signal("STOP");
    let first = claim(owner(2), STILL).first(Default::default());
    // Neither the claim nor its repetition is acknowledged, although the repetition finds the claim on the
    // primary.
    for _ in 0..2 {
        let claimed = store.claim(id(2), first.clone()).await;
        assert!(claimed.as_ref().is_err_and(|error| unclear(error.clone())), "{claimed:?}");
    }
    // The ledger does not acknowledge it either, although it repeats a claim without an answer.
    let claimed = decisions::claim(&bench.ledger, id(3), claim(owner(3), STILL)).await;
    assert!(claimed.as_ref().is_err_and(|error| unclear(error.clone())), "{claimed:?}");
    let response = response_of(owner(1));
    for known in [Some(&running), Some(&running), None] {
        let stored =
            decisions::apply(&bench.ledger, id(1), known, &complete(owner(1), 1), Some(&response)).await;
        assert!(stored.is_err(), "{stored:?}");
    }
    assert!(store.ready().await.is_err());
    let replaced = store.replace_document(DocumentName::Names, None, "names".into()).await;
    assert!(replaced.as_ref().is_err_and(|error| unclear(error.clone())), "{replaced:?}");
    replica.signal("CONT");
    until("the replica is back", || {
        let runtime = tokio::runtime::Handle::current();
        tokio::task::block_in_place(|| runtime.block_on(store.ready())).is_ok()
    });
    let stored =
        decisions::apply(&bench.ledger, id(1), Some(&running), &complete(owner(1), 1), Some(&response)).await;
    assert_eq!(stored.expect("an answer").verdict, Verdict::Stored);
    assert!(matches!(store.claim(id(2), first).await, Ok(Claimed::Found(_))));
}
