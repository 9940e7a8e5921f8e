//! Waiters on one gateway learn of outcomes on another, over one connection and only while they wait.

use std::sync::Arc;
use std::time::Duration;

use oncegate::store::postgres::PostgresStore;
use sqlx::postgres::PgListener;
use tokio::time::timeout;

use super::{settings, terms};
use crate::bench::{Bench, STILL, complete, id, owner};
use crate::events::Event;
use crate::servers::postgres::{Server, shared};
use crate::wakeups::{self, PATIENCE};

/// Opens two gateways. Returns them and the channel that they listen on.
async fn two(server: &Server) -> (Bench, Bench, String) {
    let settings = settings(server);
    let channel = format!("{}_ended", settings.schema);
    let store = async || PostgresStore::open(settings.clone(), terms()).await.expect("a store");
    (Bench::of(Arc::new(store().await)), Bench::of(Arc::new(store().await)), channel)
}

/// Counts the connections that listen on the channel. The last statement of each is `LISTEN`, also after a
/// connection check.
async fn listeners(server: &Server, channel: &str) -> i64 {
    let sql = format!("SELECT count(*) FROM pg_stat_activity WHERE query LIKE 'LISTEN \"{channel}\"%'");
    server.value(&sql).await
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_waiter_elsewhere_is_told_at_once() {
    let server = shared();
    let (a, b, _) = two(&server).await;
    wakeups::a_waiter_elsewhere_is_told_at_once(a, b).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nothing_is_told_when_nobody_waits_or_nothing_ends() {
    let server = shared();
    let (a, b, channel) = two(&server).await;
    let url = format!("postgres://oncegate@127.0.0.1:{}/postgres?sslmode=disable", server.port);
    let mut spy = PgListener::connect(&url).await.expect("a listener");
    spy.listen(&channel).await.expect("it listens");
    a.won(id(1), owner(1), STILL).await;
    a.apply(id(1), complete(owner(1), 1)).await;
    a.won(id(2), owner(1), STILL).await;
    let woken = b.store.watch(id(2)).await.expect("a watch");
    a.check(id(2), Event::Renew { owner: owner(1), n: 1 }).await;
    a.check(id(2), Event::Release { owner: owner(1), n: 1 }).await;
    timeout(PATIENCE, woken).await.expect("told of the release");
    // This operation is already over, so no notification follows.
    let _never = b.store.watch(id(1)).await.expect("a watch");
    a.check(id(1), Event::Delete).await;
    server.run(&format!("NOTIFY {channel}, 'the end'")).await;
    let mut heard = Vec::new();
    while heard.last().is_none_or(|last| last != "the end") {
        heard
            .push(timeout(PATIENCE, spy.recv()).await.expect("in time").expect("heard").payload().to_owned());
    }
    assert_eq!(heard, [id(2).to_string(), "the end".into()]);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_gateway_has_one_connection_to_listen_and_none_before_somebody_waits() {
    let server = shared();
    let (a, b, channel) = two(&server).await;
    assert_eq!(listeners(&server, &channel).await, 0);
    let one = async || assert_eq!(listeners(&server, &channel).await, 1);
    wakeups::everybody_is_told(a, b, one).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_lost_subscription_wakes_everybody_and_is_made_again() {
    let server = shared();
    let (a, b, channel) = two(&server).await;
    let lose = async || {
        let ended = format!(
            "SELECT count(pg_terminate_backend(pid)) FROM pg_stat_activity WHERE query LIKE 'LISTEN \"{channel}\"%'"
        );
        assert_eq!(server.value::<i64>(&ended).await, 1);
    };
    wakeups::a_lost_subscription_wakes_everybody_and_is_made_again(a, b, lose).await;
}

/// The gateway notices a connection that swallows every byte, although no message is expected on it.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_subscription_over_a_cut_wire_wakes_everybody() {
    let server = shared();
    let (proxy, store) = super::faults::through_a_proxy(&server).await;
    let bench = Bench::of(store);
    bench.won(id(1), owner(1), STILL).await;
    let woken = bench.store.watch(id(1)).await.expect("a watch");
    proxy.set(crate::servers::proxy::Wire::Cut);
    timeout(PATIENCE + Duration::from_secs(5), woken).await.expect("woken");
}
