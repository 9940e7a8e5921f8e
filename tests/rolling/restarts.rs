//! Restarts of all gateways, one after the other, while clients pay.

use std::time::Duration;

use crate::fleet::Fleet;
use crate::harness::Gateway;
use crate::load::Paid;
use crate::place::Store;

/// Time between the announcement of a stop and the drain.
const DELAY: Duration = Duration::from_secs(2);
/// Number of payments between two steps.
const STEP: usize = 40;

/// The way in which the balancer learns that a gateway is about to stop.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Learns {
    /// The gateway says that it is not ready.
    FromReadiness,
    /// The deployment turns new connections away before it sends the signal, as Kubernetes does with the
    /// `preStop` of `k8s/base`. Open connections stay.
    BeforeTheSignal,
}

/// Replaces each gateway of a fleet: the next one starts, the earlier one announces its stop, drains and
/// ends. Each step is under load, and a payment runs from before the first to after the last.
async fn replaces_each_gateway(store: Store, gateways: usize, learns: Learns, seed: u64) {
    let server = format!("shutdown_delay = \"{}s\"", DELAY.as_secs());
    let mut fleet = Fleet::start(&store.lines(), &server, gateways, seed).await;
    let (mut load, mut paid) = (fleet.load(), Paid::new());
    for round in 0..gateways {
        load.goes_on(STEP).await;
        let next = Gateway::start(&fleet.upstream, fleet.settings.clone()).await;
        fleet.add(next);
        let (mut gateway, member) = fleet.members.remove(0);
        let mut held = fleet.hold(&member, &format!("held-{round}"), round % 2 == 1).await;
        if learns == Learns::BeforeTheSignal {
            fleet.balancer.remove(&member);
            load.goes_on(STEP).await;
        }
        member.stops(DELAY);
        gateway.terminate().await;
        gateway.logs("new requests are taken").await;
        member.announced();
        load.goes_on(STEP).await;
        gateway.logs("draining for").await;
        load.goes_on(STEP).await;
        let answer = fleet.let_go(&mut held).await;
        held.share(answer, &mut paid).await;
        assert_eq!(gateway.ended().await, Some(0));
        fleet.balancer.remove(&member);
    }
    load.goes_on(STEP).await;
    paid.extend(load.end().await);
    fleet.settle(&paid).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_fleet_on_redis_serves_every_payment_once() {
    replaces_each_gateway(Store::redis(), 3, Learns::FromReadiness, 1).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_fleet_on_postgres_serves_every_payment_once() {
    replaces_each_gateway(Store::postgres(), 2, Learns::BeforeTheSignal, 2).await;
}

/// A gateway with an embedded store is away while it restarts. Clients send their payments again until it is
/// back.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_gateway_with_an_embedded_store_finishes_what_runs_and_repeats_nothing() {
    let mut fleet = Fleet::start(&Store::Embedded.lines(), "", 1, 3).await;
    let (mut load, mut paid) = (fleet.load(), Paid::new());
    for round in 0..3 {
        load.goes_on(STEP).await;
        let (mut gateway, member) = fleet.members.remove(0);
        let mut held = fleet.hold(&member, &format!("held-{round}"), round % 2 == 1).await;
        member.stops(Duration::ZERO);
        gateway.terminate().await;
        gateway.logs("draining for").await;
        let answer = fleet.let_go(&mut held).await;
        assert_eq!(gateway.ended().await, Some(0));
        fleet.balancer.remove(&member);
        let next = gateway.restart(&fleet.upstream, fleet.settings.clone()).await;
        fleet.add(next);
        held.share(answer, &mut paid).await;
    }
    load.goes_on(STEP).await;
    paid.extend(load.end().await);
    fleet.settle(&paid).await;
}
