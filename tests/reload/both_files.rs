//! A new configuration that reaches the gateways of a fleet one after the other: some still have the old file
//! while others have the new one, and clients send the same key to both.

use std::process::{Command, Stdio};
use std::sync::Arc;
use std::time::Duration;

use crate::harness::{Gateway, Settings, Upstream, post};
use crate::place::{Store, in_force, reload};

const PATH: &str = "/v1/charges";
const HOUR: Duration = Duration::from_secs(3600);

/// Two gateways of a fleet, of which one has a new file.
struct Both {
    upstream: Arc<Upstream>,
    old: Gateway,
    new: Gateway,
    /// Number of operations so far.
    operations: usize,
}

impl Both {
    async fn start(store: &Store) -> Self {
        let upstream = Upstream::start().await;
        let settings = Settings::default().store(&store.lines());
        let old = Gateway::start(&upstream, settings.clone()).await;
        let new = Gateway::start(&upstream, settings).await;
        Self { upstream, old, new, operations: 0 }
    }

    /// Adds lines to the route in the new file. Returns true if `check --against` finds no danger in it.
    async fn change(&self, lines: &str) -> bool {
        self.new.rewrite(|text| text.replace("name = \"pay\"", &format!("name = \"pay\"\n{lines}")));
        in_force(&reload(&self.new).await);
        self.is_harmless()
    }

    fn is_harmless(&self) -> bool {
        let mut check = Command::new(env!("CARGO_BIN_EXE_oncegate"));
        check.args(["check", "--short", "--config"]).arg(self.new.file());
        check.arg("--against").arg(self.old.file()).stdout(Stdio::null());
        match check.status().expect("it runs").code() {
            Some(0) => true,
            Some(1) => false,
            other => panic!("{other:?}"),
        }
    }

    /// Sends one key to both gateways: one after the other, in both orders, and at once.
    async fn run_each_operation_once(&mut self, name: &str) {
        for (order, (first, second)) in
            [(&self.old, &self.new), (&self.new, &self.old)].into_iter().enumerate()
        {
            let key = format!("{name}-{order}");
            let made = post(first.address, PATH, &key, "{}").await;
            assert_eq!((made.status, made.is_replay()), (201, false), "{key}: {made:?}");
            for gateway in [second, first] {
                let replay = post(gateway.address, PATH, &key, "{}").await;
                assert_eq!((replay.is_replay(), &replay.body), (true, &made.body), "{key}: {replay:?}");
            }
            // While it runs here, the duplicate comes there.
            let key = format!("{name}-{order}-at-once");
            self.upstream.hold();
            let pay = |gateway: &Gateway| {
                let (address, key) = (gateway.address, key.clone());
                tokio::spawn(async move { post(address, PATH, &key, "{}").await })
            };
            let running = pay(first);
            self.upstream.reached_by(&key).await;
            let duplicate = pay(second);
            self.upstream.let_go();
            let (made, replay) = (running.await.expect("no panic"), duplicate.await.expect("no panic"));
            assert_eq!((made.status, made.is_replay()), (201, false), "{key}: {made:?}");
            assert_eq!((replay.is_replay(), &replay.body), (true, &made.body), "{key}: {replay:?}");
        }
        self.operations += 4;
        assert_eq!(self.upstream.executions(), self.operations, "{name}");
    }

    /// Returns the times for which the records are kept, the shortest first.
    async fn retention(&self) -> Vec<Duration> {
        let time = |value: &serde_json::Value| {
            humantime::parse_rfc3339(value.as_str().expect("a time")).expect("a time")
        };
        let records = self.old.records("completed").await;
        let kept = |record: &serde_json::Value| {
            time(&record["expires_at"]).duration_since(time(&record["updated_at"]))
        };
        let mut all: Vec<_> = records.iter().map(|record| kept(record).expect("a later time")).collect();
        all.sort();
        all
    }
}

/// Changes that are harmless by the word of `check --against` run nothing twice, one on top of the other.
async fn harmless_changes_run_nothing_twice(store: Store) {
    let mut both = Both::start(&store).await;
    for (name, lines) in [
        ("lease", "lease = \"20s\""),
        ("ttl", "ttl = \"48h\""),
        ("scheme", "fingerprint = { body = \"json\" }"),
        ("problems", "problems = \"stripe\"\nunknown_answers = \"problem\""),
        ("room", "max_response_body = \"2MiB\""),
    ] {
        assert!(both.change(lines).await, "{name} is harmless");
        both.run_each_operation_once(name).await;
    }
}

async fn records_keep_their_own_ttl_beside_a_longer_one(store: Store) {
    let both = Both::start(&store).await;
    assert!(both.change("ttl = \"48h\"").await);
    records_are_kept_for(&both, [24 * HOUR, 48 * HOUR]).await;
}

async fn records_keep_their_own_ttl_beside_a_shorter_one(store: Store) {
    let both = Both::start(&store).await;
    assert!(!both.change("ttl = \"1h\"\ntombstone_ttl = \"0s\"").await, "a late retry may run again");
    records_are_kept_for(&both, [HOUR, 24 * HOUR]).await;
}

/// A record keeps the time of the file that it was made with, whichever gateway answers its retries.
async fn records_are_kept_for(both: &Both, times: [Duration; 2]) {
    for (key, maker) in [("old", &both.old), ("new", &both.new)] {
        assert_eq!(post(maker.address, PATH, key, "{}").await.status, 201);
    }
    assert_eq!(both.retention().await, times);
    for (key, other) in [("old", &both.new), ("new", &both.old), ("new", &both.new)] {
        assert!(post(other.address, PATH, key, "{}").await.is_replay());
    }
    assert_eq!(both.retention().await, times, "no replay changes it");
    assert_eq!(both.upstream.executions(), 2);
}

/// Gateways with both files compare a retry by the scheme of its record, whichever made it.
async fn records_are_compared_by_their_own_scheme(store: Store) {
    let both = Both::start(&store).await;
    assert!(both.change("fingerprint = { body = \"json\" }").await);
    let (raw, json) = (&both.old, &both.new);
    let (one, other) = ("{\"a\":1,\"b\":2}", "{\"b\":2,\"a\":1}");
    for (first, second, key, other_order) in [(raw, json, "raw", 422), (json, raw, "json", 201)] {
        assert_eq!(post(first.address, PATH, key, one).await.status, 201);
        assert!(post(second.address, PATH, key, one).await.is_replay());
        assert_eq!(post(second.address, PATH, key, other).await.status, other_order, "{key}");
        assert_eq!(post(first.address, PATH, key, other).await.status, other_order, "{key}");
    }
    assert_eq!(both.upstream.executions(), 2);
}

macro_rules! on_each_store_of_a_fleet {
    ($($test:ident),*) => {
        mod redis {
            $(#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
            async fn $test() {
                super::$test(super::Store::redis()).await;
            })*
        }
        mod postgres {
            $(#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
            async fn $test() {
                super::$test(super::Store::postgres()).await;
            })*
        }
    };
}

on_each_store_of_a_fleet!(
    harmless_changes_run_nothing_twice,
    records_keep_their_own_ttl_beside_a_longer_one,
    records_keep_their_own_ttl_beside_a_shorter_one,
    records_are_compared_by_their_own_scheme
);
