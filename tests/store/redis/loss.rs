//! A restart that lost data is noticed. A restart without a loss needs no action.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use oncegate::store::redis::{RedisStore, Settings};
use oncegate::store::{Stopped, Store, StoreError, Terms};
use tokio::time::sleep;

use super::{TIMEOUT, settings, store, terms};
use crate::away::recovered;
use crate::bench::{Bench, STILL, claim, complete, id, owner, response_of};
use crate::decisions;
use crate::events::Verdict;
use crate::servers::redis::{Server, until};

/// Claims and returns the refusal, or `None` once the claim is taken.
async fn refusal(store: &RedisStore, number: u64) -> Option<String> {
    let first = claim(owner(number), STILL).first(Default::default());
    match store.claim(id(number), first).await {
        Ok(_) => None,
        Err(StoreError::Unavailable(why)) => Some(why.to_string()),
        Err(other) => Some(other.to_string()),
    }
}

/// Waits for the refusal that follows a loss.
async fn refused(store: &RedisStore) {
    let started = Instant::now();
    for number in 10_000.. {
        let why = refusal(store, number).await;
        let why = why.expect("a claim was taken after a loss of data");
        if why.contains("restarted without its data") {
            return;
        }
        assert!(started.elapsed() < 10 * TIMEOUT, "{why}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_restart_with_a_log_goes_on() {
    let mut server = Server::with(&["--appendonly", "yes", "--appendfsync", "always"]);
    let store = store(&server).await;
    assert_eq!(refusal(&store, 1).await, None);
    server.restart();
    recovered(&store, 2).await;
    assert!(store.read(id(1)).await.expect("an answer").record.is_some());
    store.ready().await.expect("ready");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_restart_that_left_nothing_ends_claims_everywhere_until_an_operator_says() {
    let mut server = Server::start();
    let first = store(&server).await;
    assert_eq!(refusal(&first, 1).await, None);
    server.restart();
    refused(&first).await;
    // Stored responses are replayed, once the broken connection is replaced.
    while let Err(error) = first.ready().await {
        assert!(!error.to_string().contains("lost data"), "{error}");
        sleep(Duration::from_millis(10)).await;
    }
    assert_eq!(first.stopped(), Some(Stopped::LostData));
    // A gateway that starts now has seen no loss, and learns of it from the mark.
    let second = store(&server).await;
    refused(&second).await;
    server.say::<()>("HDEL oncegate:{00}:run lost");
    for gateway in [&first, &second] {
        recovered(gateway, 3).await;
        until("claims are taken", || gateway.stopped().is_none());
    }
}

/// Records in an old snapshot are answered. A missing record may have existed.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_restart_with_old_data_answers_from_it_and_takes_nothing_new() {
    let mut server = Server::start();
    let old = Arc::new(store(&server).await);
    let bench = Bench::of(Arc::clone(&old) as Arc<dyn Store>);
    bench.won(id(1), owner(1), STILL).await;
    bench.apply(id(1), complete(owner(1), 1)).await;
    server.say::<()>("SAVE");
    bench.won(id(2), owner(2), STILL).await;
    server.restart();
    // The loss also stops a gateway that did not run before.
    let new = Arc::new(store(&server).await);
    refused(&old).await;
    refused(&new).await;
    assert!(refusal(&new, 2).await.is_some(), "it was claimed, and that was lost");
    let replay =
        decisions::claim(&Bench::of(new).ledger, id(1), claim(owner(9), STILL)).await.expect("a replay");
    assert!(matches!(replay.verdict, Verdict::Replay(_)));
    assert_eq!(replay.response, Some(response_of(owner(1))));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_loss_is_over_after_one_ttl() {
    let mut server = Server::start();
    let ttl = Duration::from_secs(4);
    let store = RedisStore::open(settings(&server), Terms { longest_ttl: Arc::new(move || ttl), ..terms() })
        .await
        .expect("a store");
    assert_eq!(refusal(&store, 1).await, None);
    let restarted = Instant::now();
    server.restart();
    refused(&store).await;
    recovered(&store, 2).await;
    assert!(restarted.elapsed() >= ttl - Duration::from_secs(1), "{:?}", restarted.elapsed());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_ttl_that_grew_since_the_start_counts() {
    let mut server = Server::start();
    let ttl = Arc::new(AtomicU64::new(1));
    let asked = Arc::clone(&ttl);
    let longest_ttl = Arc::new(move || Duration::from_secs(asked.load(Ordering::SeqCst)));
    let store = RedisStore::open(settings(&server), Terms { longest_ttl, ..terms() }).await.expect("a store");
    assert_eq!(refusal(&store, 1).await, None);
    ttl.store(5, Ordering::SeqCst);
    let restarted = Instant::now();
    server.restart();
    refused(&store).await;
    recovered(&store, 2).await;
    assert!(restarted.elapsed() >= Duration::from_secs(4), "{:?}", restarted.elapsed());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_loss_can_be_accepted_beforehand() {
    let mut server = Server::start();
    let accepting = Settings { accept_lost: true, ..settings(&server) };
    let store = RedisStore::open(accepting, terms()).await.expect("a store");
    assert_eq!(refusal(&store, 1).await, None);
    server.restart();
    assert!(recovered(&store, 1).await < 5 * TIMEOUT);
}

/// The store was emptied: the mark is gone, like all other keys.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_server_that_was_emptied_is_noticed() {
    let server = Server::with(&["--appendonly", "yes"]);
    let store = store(&server).await;
    assert_eq!(refusal(&store, 1).await, None);
    server.say::<()>("FLUSHALL");
    let mut number = 10;
    until("claims are refused", || {
        number += 1;
        let runtime = tokio::runtime::Handle::current();
        let why = tokio::task::block_in_place(|| runtime.block_on(refusal(&store, number)));
        why.is_some_and(|why| why.contains("emptied"))
    });
}
