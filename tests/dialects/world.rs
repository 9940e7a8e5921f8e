//! A recipe at work, and what is true of every recipe.

use std::sync::Arc;

use serde_json::Value;
use tokio::time::{Instant, timeout};

use crate::clients::{Gateway, PATIENCE};
use crate::dialect::{Dialect, Place, differences};
use crate::fake::Fake;
use crate::harness::{Answer, request};
use crate::recipe;

/// A gateway with a recipe, in front of its fake.
pub struct World {
    pub dialect: &'static Dialect,
    pub fake: Arc<Fake>,
    pub gateway: Gateway,
}

impl World {
    /// Starts a recipe with these lines on its routes.
    pub async fn with(dialect: &'static Dialect, lines: &[&str]) -> Self {
        let fake = Fake::start(dialect).await;
        let text = recipe::changed(&recipe::text(dialect.name), lines);
        let text = recipe::in_front_of(&text, &fake.address.to_string());
        Self { dialect, gateway: Gateway::start("", &text).await, fake }
    }

    /// Starts a recipe as it stands.
    pub async fn start(dialect: &'static Dialect) -> Self {
        Self::with(dialect, &[]).await
    }

    /// Pays, and returns the answer.
    pub async fn pay(&self, key: &str, amount: u32) -> Answer {
        self.send(self.dialect.path, Some(key), &[], &(self.dialect.body)(Some(key), amount)).await
    }

    /// Sends a POST to a path with the usual headers, and with these instead of or beside them.
    pub async fn send(&self, path: &str, key: Option<&str>, more: &[(&str, &str)], body: &str) -> Answer {
        self.send_as("POST", path, key, more, body).await
    }

    pub async fn send_as(
        &self,
        method: &str,
        path: &str,
        key: Option<&str>,
        more: &[(&str, &str)],
        body: &str,
    ) -> Answer {
        let is_other = |name: &str| more.iter().all(|(other, _)| !other.eq_ignore_ascii_case(name));
        let mut headers: Vec<(&str, &str)> = more.to_vec();
        headers.extend(self.dialect.headers.iter().filter(|(name, _)| is_other(name)));
        if let (Place::Header(name), Some(key)) = (self.dialect.key, key) {
            headers.push((name, key));
        }
        let answer = request(self.gateway.address, method, path, &headers, body);
        timeout(PATIENCE, answer).await.expect("an answer in time")
    }

    /// Checks an answer of the API that came through as its first one.
    pub fn is_first(&self, answer: &Answer, payment: usize, asked: usize) {
        let (status, body) = (self.dialect.paid)(payment, asked);
        assert_eq!((answer.status, answer.text()), (status, &*body), "{answer:?}");
        assert!(!answer.is_replay() && answer.header("idempotency-record").is_some(), "{answer:?}");
        assert_eq!(answer.header("idempotency-outcome"), None, "{answer:?}");
    }

    /// Checks a problem: the status and the members that clients of this API read, and the headers that are
    /// the same for all.
    pub fn told(&self, answer: &Answer, slug: &str, executed: &str, retry: &str) {
        let (status, _) = (self.dialect.told)(slug);
        self.told_with(answer, status, slug, executed, retry);
    }

    /// Checks a problem as [`World::told`] does, with another status.
    pub fn told_with(&self, answer: &Answer, status: u16, slug: &str, executed: &str, retry: &str) {
        let expected: Value = (self.dialect.told)(slug).1;
        assert_eq!(answer.status, status, "{slug}: {answer:?}");
        assert_eq!(answer.header("content-type"), Some("application/json"), "{slug}: {answer:?}");
        let body = answer.json();
        assert_eq!(differences(&expected, &body, ""), [] as [&str; 0], "{slug}: {body}");
        if !self.dialect.sentence.is_empty() {
            let sentence = body.pointer(self.dialect.sentence).and_then(Value::as_str);
            assert!(sentence.is_some_and(|text| text.len() > 10), "{slug}: {body}");
        }
        let repeat = if retry == "same-key" { "true" } else { "false" };
        if let Some(name) = self.dialect.repeatable {
            let expected = (retry == "same-key").then_some("true");
            assert_eq!(answer.header(name), expected, "{slug}: {answer:?}");
        }
        for (name, value) in [
            ("idempotency-executed", executed),
            ("x-should-retry", repeat),
            ("stripe-should-retry", repeat),
            ("cache-control", "no-store"),
        ] {
            assert_eq!(answer.header(name), Some(value), "{slug}: {answer:?}");
        }
    }

    /// Waits until a duplicate of a running attempt was seen.
    pub async fn duplicate_seen(&self) {
        let until = Instant::now() + PATIENCE;
        let metrics = async || self.gateway.admin("GET", "/metrics", "").await;
        while !metrics().await.text().contains("arrival=\"concurrent\"} 1\n") {
            assert!(Instant::now() < until, "there was never a duplicate");
        }
    }
}

/// What is true of every recipe.
pub async fn speaks(dialect: &'static Dialect) {
    let world = World::with(dialect, &["wait_timeout = \"100ms\""]).await;
    a_retry_gets_the_first_answer(&world).await;
    another_body_is_a_mismatch(&world).await;
    a_bad_key_is_refused(&world).await;
    a_missing_key(&world).await;
    a_lost_answer(&world).await;
    an_attempt_in_progress(&world).await;
}

async fn a_retry_gets_the_first_answer(world: &World) {
    let first = world.pay("first-1", 1200).await;
    world.is_first(&first, 1, 1);
    let again = world.pay("first-1", 1200).await;
    assert!(again.is_replay(), "{again:?}");
    assert_eq!((again.status, &again.body), (first.status, &first.body));
    assert_eq!(world.fake.requests("first-1"), 1);
}

async fn another_body_is_a_mismatch(world: &World) {
    let told = world.pay("first-1", 9900).await;
    world.told(&told, "payload-mismatch", "no", "new-key");
    assert_eq!(world.fake.requests("first-1"), 1);
}

async fn a_bad_key_is_refused(world: &World) {
    let told = world.pay("not,a,key", 1200).await;
    world.told(&told, "key-invalid", "no", "new-key");
    assert_eq!(world.fake.requests("not,a,key"), 0);
}

/// A recipe takes requests without a key where its API does; they are not protected.
async fn a_missing_key(world: &World) {
    let body = (world.dialect.body)(None, 1200);
    let ask = async |world: &World| world.send(world.dialect.path, None, &[], &body).await;
    let before = world.fake.requests("");
    let answers = [ask(world).await, ask(world).await];
    if world.dialect.requires_a_key {
        answers.iter().for_each(|told| world.told(told, "key-missing", "no", "new-key"));
        assert_eq!(world.fake.requests(""), before);
        return;
    }
    assert!(answers.iter().all(|answer| answer.status < 300 && !answer.is_replay()), "{answers:?}");
    assert_eq!(world.fake.payments(""), before + 2);
    let header = world.dialect.key_header();
    let key = format!("key = {{ header = \"{header}\", required = true }}");
    let strict = World::with(world.dialect, &[&key]).await;
    strict.told(&ask(&strict).await, "key-missing", "no", "new-key");
    assert_eq!(strict.fake.requests(""), 0);
}

/// The payment was made, and its answer was lost.
async fn a_lost_answer(world: &World) {
    let asks_again = world.dialect.asks_again;
    let retry = if asks_again { "same-key" } else { "never" };
    let lost = world.pay("dies-1", 1200).await;
    world.told_with(&lost, 504, "outcome-unknown", "unknown", retry);
    let again = world.pay("dies-1", 1200).await;
    if asks_again {
        assert!(again.status < 300 && !again.is_replay(), "{again:?}");
        assert!(world.pay("dies-1", 1200).await.is_replay());
    } else {
        world.told_with(&again, world.dialect.still_unknown, "outcome-unknown", "unknown", "never");
    }
    let requests = if asks_again { 2 } else { 1 };
    assert_eq!((world.fake.requests("dies-1"), world.fake.payments("dies-1")), (requests, 1));
}

/// A second attempt waits, and is told after that.
async fn an_attempt_in_progress(world: &World) {
    let second = async {
        world.fake.reached("slow-1", 1).await;
        let told = world.pay("slow-1", 1200).await;
        world.fake.let_go();
        told
    };
    let (first, told) = tokio::join!(world.pay("slow-1", 1200), second);
    world.told(&told, "in-flight", "unknown", "same-key");
    assert!(told.header("retry-after").is_some(), "{told:?}");
    assert!(first.status < 300 && !first.is_replay(), "{first:?}");
    assert!(world.pay("slow-1", 1200).await.is_replay());
    assert_eq!(world.fake.payments("slow-1"), 1);
}

/// By itself a recipe has a second attempt wait for the answer of the first one.
pub async fn a_duplicate_waits(dialect: &'static Dialect) {
    let world = World::start(dialect).await;
    let second = async {
        world.fake.reached("slow-1", 1).await;
        let (second, ()) = tokio::join!(world.pay("slow-1", 1200), async {
            world.duplicate_seen().await;
            world.fake.let_go();
        });
        second
    };
    let (first, second) = tokio::join!(world.pay("slow-1", 1200), second);
    assert!(!first.is_replay() && second.is_replay(), "{first:?} {second:?}");
    assert_eq!((first.status, first.body), (second.status, second.body));
    assert_eq!(world.fake.requests("slow-1"), 1);
}
