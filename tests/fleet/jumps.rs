//! A wall clock that jumps forwards or back, on the store's machine or on the gateway's. No operation runs a
//! second time without notice: claims stop, stored responses are still replayed, and an operator decides.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use http::Response;
use http_body_util::Full;
use tokio::time::{Instant, sleep};

use crate::harness::{Answer, Gateway, Settings, Upstream, post};
use crate::servers::preload::WallClock;
use crate::store::Store;

const DAY: Duration = Duration::from_secs(86_400);
/// A span longer than a record is kept below.
const FAR: Duration = Duration::from_secs(45 * 86_400);
const ROUTE: &str =
    "ttl = \"1h\"\ntombstone_ttl = \"30d\"\non_store_error = \"bypass\"\ni_accept_duplicates = true";
const PATIENCE: Duration = Duration::from_secs(30);

/// Payments made before the clock jumps: one with a stored response, and one with an unknown outcome.
struct Shop {
    upstream: Arc<Upstream>,
    paid: Answer,
}

impl Shop {
    async fn open(gateway: impl AsyncFnOnce(&Upstream) -> Gateway) -> (Self, Gateway) {
        let upstream = Upstream::answering(|seen| {
            let status = if seen.header("idempotency-key").contains("lost") { 503 } else { 201 };
            let body = Full::new(Bytes::from(format!("charge {}", seen.number)));
            Response::builder().status(status).body(body).expect("a response")
        })
        .await;
        let gateway = gateway(&upstream).await;
        let paid = pay(&gateway, "paid").await;
        assert_eq!(pay(&gateway, "lost").await.header("idempotency-outcome"), Some("unknown"));
        // No gateway keeps this one in its replay cache.
        assert_eq!(pay(&gateway, "old").await.status, 201);
        assert_eq!((paid.status, upstream.executions()), (201, 3));
        (Self { upstream, paid }, gateway)
    }

    /// Checks that no execution starts and that the known outcomes are still answered.
    async fn is_closed(&self, gateway: &Gateway) {
        let before = self.upstream.executions();
        self.knows(gateway).await;
        let refused = pay(gateway, "never seen").await;
        refused.problem(503, "store-unavailable", "unknown", "same-key");
        assert_eq!(self.upstream.executions(), before);
    }

    async fn knows(&self, gateway: &Gateway) {
        let before = self.upstream.executions();
        let replay = pay(gateway, "paid").await;
        assert_eq!((replay.status, &replay.body, replay.is_replay()), (201, &self.paid.body, true));
        pay(gateway, "lost").await.problem(409, "outcome-unknown", "unknown", "never");
        assert_eq!(self.upstream.executions(), before);
    }

    /// Checks that an operation with a new key runs.
    async fn is_open(&self, gateway: &Gateway, key: &str) {
        let before = self.upstream.executions();
        let first = pay(gateway, key).await;
        assert_eq!((first.status, first.is_replay(), self.upstream.executions()), (201, false, before + 1));
    }
}

async fn pay(gateway: &Gateway, key: &str) -> Answer {
    let key = key.replace(' ', "-");
    post(gateway.address, "/v1/charges", &key, "a").await
}

async fn until_stopped(gateway: &Gateway, expected: Option<&str>) {
    let until = Instant::now() + PATIENCE;
    while gateway.stopped_for().await.as_deref() != expected {
        assert!(Instant::now() < until, "claims are never {expected:?}");
        sleep(Duration::from_millis(10)).await;
    }
}

async fn accept(gateway: &Gateway) -> bool {
    let answer = gateway.admin_post("/v1/accept-clock", &serde_json::json!({ "note": "a test" })).await;
    assert_eq!(answer.status, 200, "{answer:?}");
    gateway.logs("accept-clock").await;
    answer.json()["accepted"].as_bool().expect("yes or no")
}

fn settings(clock: &WallClock) -> Settings {
    let settings = Settings::route(ROUTE);
    clock.environment().iter().fold(settings, |settings, (name, value)| settings.env(name, value))
}

async fn ended(gateway: &mut Gateway) {
    gateway.terminate().await;
    assert_eq!(gateway.ended().await, Some(0));
}

#[tokio::test]
async fn an_embedded_store_that_starts_far_ahead_waits_for_the_right_time() {
    let clock = WallClock::new();
    let (shop, mut gateway) =
        Shop::open(async |upstream| Gateway::start(upstream, settings(&clock)).await).await;
    ended(&mut gateway).await;
    clock.set_ahead(FAR);
    // Neither an orderly end nor a crash makes the wrong time the time of the store.
    for orderly in [true, false] {
        gateway = gateway.restart(&shop.upstream, settings(&clock)).await;
        assert_eq!(gateway.stopped_for().await.as_deref(), Some("clock"));
        gateway.logs("claims are stopped").await;
        assert!(gateway.shows("oncegate_claims_stopped{reason=\"clock\"} 1").await);
        shop.is_closed(&gateway).await;
        if orderly { ended(&mut gateway).await } else { gateway.kill().await }
    }
    clock.set_right();
    gateway = gateway.restart(&shop.upstream, settings(&clock)).await;
    assert_eq!(gateway.stopped_for().await, None);
    shop.knows(&gateway).await;
    shop.is_open(&gateway, "new").await;
}

#[tokio::test]
async fn an_embedded_store_goes_by_a_clock_that_is_accepted() {
    let clock = WallClock::new();
    let (shop, mut gateway) =
        Shop::open(async |upstream| Gateway::start(upstream, settings(&clock)).await).await;
    ended(&mut gateway).await;
    clock.set_ahead(FAR);
    gateway = gateway.restart(&shop.upstream, settings(&clock)).await;
    shop.is_closed(&gateway).await;
    assert!(accept(&gateway).await, "claims were stopped");
    assert_eq!(gateway.stopped_for().await, None);
    // Every record has expired, because the operator accepted this clock.
    shop.is_open(&gateway, "old").await;
    assert!(!accept(&gateway).await, "they are not any more");
    // The store keeps the decision across a restart.
    gateway.kill().await;
    gateway = gateway.restart(&shop.upstream, settings(&clock)).await;
    assert_eq!(gateway.stopped_for().await, None);
    assert!(pay(&gateway, "old").await.is_replay());
    ended(&mut gateway).await;
    // The option counts for this start only.
    clock.set_ahead(2 * FAR);
    let accepting = settings(&clock).argument("--accept-clock");
    gateway = gateway.restart(&shop.upstream, accepting.clone()).await;
    gateway.logs("is accepted").await;
    assert_eq!(gateway.stopped_for().await, None);
    shop.is_open(&gateway, "newer").await;
    ended(&mut gateway).await;
    clock.set_ahead(3 * FAR);
    gateway = gateway.restart(&shop.upstream, settings(&clock)).await;
    assert_eq!(gateway.stopped_for().await.as_deref(), Some("clock"));
}

#[tokio::test]
async fn an_embedded_store_that_starts_a_little_ahead_warns() {
    let clock = WallClock::new();
    let (shop, mut gateway) =
        Shop::open(async |upstream| Gateway::start(upstream, settings(&clock)).await).await;
    ended(&mut gateway).await;
    clock.set_ahead(DAY);
    gateway = gateway.restart(&shop.upstream, settings(&clock)).await;
    gateway.logs("more than the shortest ttl").await;
    assert_eq!(gateway.stopped_for().await, None);
    pay(&gateway, "paid").await.problem(410, "key-expired", "yes", "never");
    pay(&gateway, "lost").await.problem(409, "outcome-unknown", "unknown", "never");
    shop.is_open(&gateway, "new").await;
    // A clock behind the last stamp keeps every record longer and stops no claim.
    ended(&mut gateway).await;
    clock.set_behind(FAR);
    gateway = gateway.restart(&shop.upstream, settings(&clock)).await;
    assert_eq!(gateway.stopped_for().await, None);
    assert!(pay(&gateway, "new").await.is_replay());
}

/// An empty store has nothing to forget.
#[tokio::test]
async fn an_embedded_store_without_records_starts_at_any_time() {
    let clock = WallClock::new();
    let upstream = Upstream::start().await;
    let mut gateway = Gateway::start(&upstream, settings(&clock)).await;
    ended(&mut gateway).await;
    clock.set_ahead(FAR);
    gateway = gateway.restart(&upstream, settings(&clock)).await;
    assert_eq!(gateway.stopped_for().await, None);
    assert_eq!(pay(&gateway, "new").await.status, 201);
}

/// The gateway learns from the uptime of the machine how long it was stopped. The pause is longer than any
/// record is kept, and still no jump.
#[tokio::test]
async fn a_pause_is_no_jump() {
    let clock = WallClock::new();
    let redis = Store::redis_going_by(&clock);
    let own = Settings::route("ttl = \"300ms\"\ntombstone_ttl = \"300ms\"");
    for settings in [own.clone(), own.store(&redis.lines())] {
        let upstream = Upstream::start().await;
        let mut gateway = Gateway::start(&upstream, settings.clone()).await;
        let paid = async |gateway: &Gateway| pay(gateway, "paid").await.is_replay();
        assert!(!paid(&gateway).await);
        // No gateway runs that would sweep the record.
        gateway.kill().await;
        sleep(Duration::from_secs(2)).await;
        gateway = gateway.restart(&upstream, settings.clone()).await;
        assert_eq!(gateway.stopped_for().await, None, "{}", gateway.log());
        assert!(!paid(&gateway).await);
        gateway.kill().await;
        clock.set_ahead(Duration::from_secs(60));
        let clocks = clock.environment().iter();
        let settings = clocks.fold(settings, |settings, (name, value)| settings.env(name, value));
        gateway = gateway.restart(&upstream, settings).await;
        assert_eq!(gateway.stopped_for().await.as_deref(), Some("clock"));
        clock.set_right();
    }
}

macro_rules! on_servers_with_a_clock {
    ($($check:ident),* $(,)?) => {
        mod redis {
            $(
                #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
                async fn $check() {
                    let clock = super::WallClock::new();
                    let store = super::Store::redis_going_by(&clock);
                    super::$check(clock, store).await;
                }
            )*
        }
        mod postgres {
            $(
                #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
                async fn $check() {
                    let clock = super::WallClock::new();
                    let store = super::Store::postgres_going_by(&clock);
                    super::$check(clock, store).await;
                }
            )*
        }
    };
}

on_servers_with_a_clock!(
    a_server_that_is_ahead_for_a_moment_forgets_nothing,
    a_server_whose_clock_is_accepted_at_one_gateway_is_gone_by_in_all,
    a_server_that_is_far_ahead_at_a_start_takes_no_claims,
);

/// The clock of the server is wrong for three seconds while the server runs, and is then set right.
async fn a_server_that_is_ahead_for_a_moment_forgets_nothing(clock: WallClock, store: Store) {
    let settings = Settings::route(ROUTE).store(&store.lines());
    let (shop, one) = Shop::open(async |upstream| Gateway::start(upstream, settings.clone()).await).await;
    let other = Gateway::start(&shop.upstream, settings.clone()).await;
    shop.is_open(&other, "before").await;
    for (round, behind) in [false, true].into_iter().enumerate() {
        let put = |span| if behind { clock.set_behind(span) } else { clock.set_ahead(span) };
        put(FAR);
        // The retry's own answer is the first one that shows the changed clock.
        shop.knows(&other).await;
        for gateway in [&one, &other] {
            until_stopped(gateway, Some("clock")).await;
            gateway.logs("claims are stopped").await;
        }
        let started = Instant::now();
        while started.elapsed() < Duration::from_secs(3) {
            shop.is_closed(&one).await;
            shop.is_closed(&other).await;
            sleep(Duration::from_millis(100)).await;
        }
        // A jump shorter than the retention of a record is no reason to start executions either.
        put(DAY);
        shop.is_closed(&one).await;
        clock.set_right();
        for gateway in [&one, &other] {
            until_stopped(gateway, None).await;
            shop.knows(gateway).await;
        }
        shop.is_open(&one, &format!("after {round}")).await;
        assert!(pay(&other, &format!("after {round}")).await.is_replay());
    }
    assert!(pay(&one, "before").await.is_replay());
}

async fn a_server_whose_clock_is_accepted_at_one_gateway_is_gone_by_in_all(clock: WallClock, store: Store) {
    let settings = Settings::route(ROUTE).store(&store.lines());
    let (shop, one) = Shop::open(async |upstream| Gateway::start(upstream, settings.clone()).await).await;
    let other = Gateway::start(&shop.upstream, settings.clone()).await;
    clock.set_ahead(FAR);
    for gateway in [&one, &other] {
        until_stopped(gateway, Some("clock")).await;
    }
    shop.is_closed(&other).await;
    assert!(accept(&one).await);
    assert_eq!(one.stopped_for().await, None);
    until_stopped(&other, None).await;
    other.logs("was accepted at another gateway").await;
    // Every record has expired, because the accepted clock counts.
    shop.is_open(&other, "old").await;
    assert!(pay(&one, "old").await.is_replay());
    // A later jump is a new one, and a step back is a jump as well.
    clock.set_right();
    for gateway in [&one, &other] {
        until_stopped(gateway, Some("clock")).await;
        assert!(pay(gateway, "old").await.is_replay());
    }
    assert!(accept(&other).await);
    until_stopped(&one, None).await;
    shop.is_open(&one, "new").await;
    assert!(pay(&other, "new").await.is_replay());
}

async fn a_server_that_is_far_ahead_at_a_start_takes_no_claims(clock: WallClock, store: Store) {
    let settings = Settings::route(ROUTE).store(&store.lines());
    let (shop, mut gateway) =
        Shop::open(async |upstream| Gateway::start(upstream, settings.clone()).await).await;
    ended(&mut gateway).await;
    clock.set_ahead(FAR);
    for _ in 0..2 {
        gateway = gateway.restart(&shop.upstream, settings.clone()).await;
        assert_eq!(gateway.stopped_for().await.as_deref(), Some("clock"));
        shop.is_closed(&gateway).await;
        ended(&mut gateway).await;
    }
    // The clock is ahead of the last note by less than the retention, as after a long pause.
    clock.set_ahead(DAY);
    gateway = gateway.restart(&shop.upstream, settings.clone()).await;
    gateway.logs("more than the shortest ttl").await;
    assert_eq!(gateway.stopped_for().await, None);
    pay(&gateway, "paid").await.problem(410, "key-expired", "yes", "never");
    ended(&mut gateway).await;

    clock.set_ahead(DAY + FAR);
    let accepting = settings.clone().argument("--accept-clock");
    gateway = gateway.restart(&shop.upstream, accepting).await;
    gateway.logs("is accepted").await;
    assert_eq!(gateway.stopped_for().await, None);
    shop.is_open(&gateway, "paid").await;
    ended(&mut gateway).await;
    gateway = gateway.restart(&shop.upstream, settings).await;
    assert_eq!(gateway.stopped_for().await, None);
    assert!(pay(&gateway, "paid").await.is_replay());
}
