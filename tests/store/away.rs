//! A server that goes away and comes back: checks for any store with a server.

use std::sync::Arc;
use std::time::{Duration, Instant};

use oncegate::store::{Claimed, Ledger, Store, StoreError};

use crate::bench::{STILL, claim, id, owner};
use crate::decisions;
use crate::events::Verdict;
use crate::servers::proxy::{Proxy, Wire};
use crate::servers::redis::until;

/// The time that a store behind a proxy waits for its server.
pub const TIMEOUT: Duration = Duration::from_millis(500);

pub async fn try_claim(store: &dyn Store, number: u64) -> Result<Claimed, StoreError> {
    store.claim(id(number), claim(owner(number), STILL).first(Default::default())).await
}

pub fn unavailable<T>(answer: Result<T, StoreError>) -> bool {
    matches!(answer, Err(StoreError::Unavailable(_)))
}

/// Waits until claims are taken again, and returns the time that this took.
pub async fn recovered(store: &dyn Store, number: u64) -> Duration {
    let started = Instant::now();
    while let Err(error) = try_claim(store, number).await {
        assert!(started.elapsed() < Duration::from_secs(30), "never recovered: {error}");
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    started.elapsed()
}

/// The claim was applied and its answer is lost. The owner wins it again.
pub async fn a_claim_whose_answer_is_lost_is_unclear(proxy: Proxy, store: Arc<dyn Store>) {
    try_claim(&*store, 3).await.expect("a claim");
    proxy.set(Wire::Mute);
    let lost = try_claim(&*store, 1).await;
    assert!(matches!(lost, Err(StoreError::Unclear(_))), "{lost:?}");
    proxy.set(Wire::Whole);
    let ledger = Ledger::new(Arc::clone(&store), 4 * TIMEOUT);
    recovered(&*store, 2).await;
    let again = decisions::claim(&ledger, id(1), claim(owner(1), STILL)).await.expect("an answer");
    assert_eq!(again.verdict, Verdict::Won { n: 1 });
}

/// A connection that swallows every byte. Calls end in time, and the store recovers in time.
pub async fn a_cut_wire_costs_one_timeout_and_heals(proxy: Proxy, store: Arc<dyn Store>) {
    proxy.set(Wire::Cut);
    let started = Instant::now();
    for number in 1..10 {
        assert!(try_claim(&*store, number).await.is_err());
    }
    assert!(started.elapsed() < 10 * TIMEOUT, "{:?}", started.elapsed());
    assert!(store.ready().await.is_err());
    proxy.set(Wire::Whole);
    let healed = recovered(&*store, 20).await;
    assert!(healed < 6 * TIMEOUT, "{healed:?}");
}

/// A server that is down is reported at once, and the store recovers at the same address. `timeout` is the
/// store's timeout.
pub async fn a_server_that_comes_back_is_used_again(
    store: &dyn Store,
    timeout: Duration,
    kill: impl FnOnce(),
    start_again: impl FnOnce(),
) {
    try_claim(store, 1).await.expect("a claim");
    tokio::task::block_in_place(kill);
    while !unavailable(try_claim(store, 2).await) {
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    let started = Instant::now();
    assert!(unavailable(store.read(id(1)).await));
    assert!(started.elapsed() < timeout, "a store that is down is no reason to wait");
    tokio::task::block_in_place(start_again);
    let healed = recovered(store, 2).await;
    assert!(healed < 5 * timeout, "{healed:?}");
    assert!(store.read(id(1)).await.expect("an answer").record.is_some());
}

/// A claim is delayed on its way until its caller has given up. When it arrives, it is not made.
pub async fn a_claim_that_arrives_after_it_was_given_up_is_not_made(proxy: Proxy, store: Arc<dyn Store>) {
    try_claim(&*store, 1).await.expect("a claim");
    proxy.set(Wire::Cut);
    let given_up = try_claim(&*store, 2).await;
    assert!(matches!(given_up, Err(StoreError::Unclear(_))), "{given_up:?}");
    let passed = proxy.passed();
    proxy.set(Wire::Whole);
    until("the claim has arrived", || proxy.passed() > passed);
    recovered(&*store, 3).await;
    store.ready().await.expect("ready");
    assert!(store.read(id(2)).await.expect("an answer").record.is_none());
}
