//! Each problem of the gateway, as the SDKs for Node and Python read it, in the usual shape and in Stripe's.
//! A call raises an error of the SDK's own, and sends a single request if a repetition is useless.

use std::pin::Pin;
use std::sync::Arc;

use tokio::task::JoinSet;
use tokio::time::{Instant, timeout};

use crate::api::Api;
use crate::clients::{Gateway, PATIENCE, refusing_address};
use crate::driver::{Driver, Outcome};
use crate::hop::Hop;
use crate::servers::redis::Server;

/// An SDK, and the shape of the problems that it reads.
struct Sdk {
    driver: Driver,
    in_stripes_shape: bool,
}

impl Sdk {
    /// Returns the status and the code with which the SDK gets a problem of the route.
    fn expected(&self, status: u16, slug: &str) -> (u16, String) {
        match slug {
            // No route covers the request, so it has no shape.
            "no-route" => (status, slug.to_owned()),
            _ if !self.in_stripes_shape => (status, slug.to_owned()),
            "in-flight" => (status, "idempotency_key_in_use".to_owned()),
            "payload-mismatch" => (400, "payload_mismatch".to_owned()),
            slug => (status, slug.replace('-', "_")),
        }
    }

    /// Returns the class of error that Stripe documents for a problem in its shape.
    fn class(&self, slug: &str) -> Option<&'static str> {
        match slug {
            _ if !self.in_stripes_shape => None,
            "payload-mismatch" => Some("IdempotencyError"),
            "key-invalid" => Some("InvalidRequestError"),
            _ => None,
        }
    }
}

/// The parts of one case.
struct World {
    sdk: Arc<Sdk>,
    api: Arc<Api>,
    gateway: Gateway,
    hop: Hop,
}

impl World {
    /// Makes a world with a gateway that has these lines for its server and its route.
    async fn new(sdk: Arc<Sdk>, server: &str, route: &str) -> Self {
        Self::with(sdk, server, route, "memory:", None).await
    }

    async fn with(sdk: Arc<Sdk>, server: &str, route: &str, store: &str, upstream: Option<u16>) -> Self {
        let api = Api::start().await;
        let port = upstream.unwrap_or(api.address.port());
        let shape = if sdk.in_stripes_shape { "stripe" } else { "rfc9457" };
        let sections = format!(
            "[upstreams.stripe]\nurl = \"http://127.0.0.1:{port}\"\n[[routes]]\nname = \"pay\"\n\
             path = \"/v1/payment_intents\"\nupstream = \"stripe\"\nkey = {{ required = true }}\n\
             problems = \"{shape}\"\n{route}\n"
        );
        let gateway = Gateway::on(store, server, &sections).await;
        let hop = Hop::before(gateway.address).await;
        Self { sdk, api, gateway, hop }
    }

    async fn pay(&self, key: &str, amount: u32) -> Outcome {
        self.sdk.driver.pay(self.hop.port, key, amount).await
    }

    /// Pays and succeeds.
    async fn paid(&self, key: &str) -> String {
        let outcome = self.pay(key, 1200).await;
        outcome.paid.clone().unwrap_or_else(|| panic!("{key}: {outcome:?}"))
    }

    /// Pays and raises this problem, which has `status` in the usual shape, with at most `most` requests.
    async fn raises(&self, key: &str, amount: u32, status: u16, slug: &str, most: usize) {
        let before = self.hop.requests(key);
        let outcome = self.pay(key, amount).await;
        assert!(outcome.ours, "no error of the SDK: {outcome:?}");
        let (status, code) = self.sdk.expected(status, slug);
        assert_eq!((outcome.status, outcome.code.as_deref()), (Some(status), Some(&*code)), "{outcome:?}");
        assert_eq!(outcome.paid, None, "{outcome:?}");
        if let Some(class) = self.sdk.class(slug) {
            let raised = outcome.raised.as_deref().unwrap_or_default();
            assert_eq!(raised.strip_prefix("Stripe").unwrap_or(raised), class, "{outcome:?}");
        }
        if self.sdk.in_stripes_shape && slug == "payload-mismatch" {
            assert_eq!(outcome.record.as_ref().map(String::len), Some(40), "support can see the record");
        }
        assert!(outcome.message.len() > 10, "a message says why: {outcome:?}");
        let requests = self.hop.requests(key) - before;
        assert!((1..=most).contains(&requests), "{requests} requests, not {most}: {outcome:?}");
    }

    /// Pays and raises the API's own error with this status.
    async fn fails(&self, key: &str, status: u16, most: usize) {
        let before = self.hop.requests(key);
        let outcome = self.pay(key, 1200).await;
        assert!(outcome.ours, "no error of the SDK: {outcome:?}");
        assert_eq!(outcome.status, Some(status), "{outcome:?}");
        assert!(outcome.message.contains("The ledger is away."), "{outcome:?}");
        let requests = self.hop.requests(key) - before;
        assert!((1..=most).contains(&requests), "{requests} requests, not {most}: {outcome:?}");
    }

    /// Waits for a record in this state and returns its id.
    async fn record_in(&self, state: &str) -> String {
        let until = Instant::now() + PATIENCE;
        loop {
            let list = self.gateway.admin("GET", &format!("/v1/records?state={state}"), "").await;
            assert_eq!(list.status, 200, "{list:?}");
            if let Some(id) = list.json()["records"][0]["id"].as_str() {
                return id.to_owned();
            }
            assert!(Instant::now() < until, "no record became {state}");
        }
    }
}

/// The most requests of a call that the SDK may repeat: the first, and `maxNetworkRetries`.
const RETRIED: usize = 3;
const ONCE: usize = 1;

async fn a_retry_is_the_same_payment(sdk: Arc<Sdk>) {
    let world = World::new(sdk, "", "").await;
    assert_eq!(world.paid("good-1").await, world.paid("good-1").await);
    assert_eq!((world.api.executions("good-1"), world.hop.requests("good-1")), (1, 2));
}

async fn payload_mismatch(sdk: Arc<Sdk>) {
    let world = World::new(sdk, "", "").await;
    world.paid("good-1").await;
    world.raises("good-1", 9900, 422, "payload-mismatch", ONCE).await;
    assert_eq!(world.api.executions("good-1"), 1);
}

async fn key_invalid(sdk: Arc<Sdk>) {
    let world = World::new(sdk, "", "").await;
    world.raises("not,a,key", 1200, 400, "key-invalid", ONCE).await;
}

async fn caller_unknown(sdk: Arc<Sdk>) {
    let world = World::new(sdk, "", "scope = [\"x-merchant\"]").await;
    world.raises("good-1", 1200, 400, "caller-unknown", ONCE).await;
    assert_eq!(world.api.executions("good-1"), 0);
}

async fn no_route(sdk: Arc<Sdk>) {
    let world = World::new(sdk, "", "methods = [\"PATCH\"]").await;
    world.raises("good-1", 1200, 404, "no-route", ONCE).await;
}

async fn request_too_large(sdk: Arc<Sdk>) {
    let world = World::new(sdk, "request_body_limit = \"8B\"", "").await;
    world.raises("good-1", 1200, 413, "request-too-large", ONCE).await;
}

async fn in_flight(sdk: Arc<Sdk>) {
    let world = Arc::new(World::new(sdk, "", "in_flight = \"reject\"").await);
    let first = tokio::spawn({
        let world = Arc::clone(&world);
        async move { world.paid("slow-1").await }
    });
    world.api.reached("slow-1").await;
    world.raises("slow-1", 1200, 409, "in-flight", RETRIED).await;
    world.api.let_go();
    first.await.expect("the first is paid");
    assert_eq!(world.api.executions("slow-1"), 1);
}

async fn overloaded(sdk: Arc<Sdk>) {
    let world = Arc::new(World::new(sdk, "max_in_flight = 1", "").await);
    let first = tokio::spawn({
        let world = Arc::clone(&world);
        async move { world.paid("slow-1").await }
    });
    world.api.reached("slow-1").await;
    world.raises("good-1", 1200, 503, "overloaded", RETRIED).await;
    world.api.let_go();
    first.await.expect("the first is paid");
    assert_eq!(world.api.executions("good-1"), 0);
}

async fn outcome_unknown_and_settled(sdk: Arc<Sdk>) {
    let world = World::new(sdk, "", "").await;
    world.raises("dies-1", 1200, 504, "outcome-unknown", ONCE).await;
    world.raises("dies-1", 1200, 409, "outcome-unknown", ONCE).await;
    let resolve = format!("/v1/records/{}/resolve", world.record_in("unknown").await);
    let body = r#"{"executed":true,"note":"it is in the ledger"}"#;
    let resolved = world.gateway.admin("POST", &resolve, body).await;
    assert_eq!(resolved.status, 200, "{resolved:?}");
    world.raises("dies-1", 1200, 409, "outcome-settled", ONCE).await;
    assert_eq!(world.api.executions("dies-1"), 1);
}

/// The API's own response looks like a plain failure, and the SDK must not repeat it by itself. In Stripe's
/// shape it is not shown, because an application takes it for a payment that did not happen.
async fn a_503_that_is_held(sdk: Arc<Sdk>) {
    let world = World::new(sdk, "", "").await;
    match world.sdk.in_stripes_shape {
        true => world.raises("busy-1", 1200, 504, "outcome-unknown", ONCE).await,
        false => world.fails("busy-1", 503, ONCE).await,
    }
    world.raises("busy-1", 1200, 409, "outcome-unknown", ONCE).await;
    assert_eq!(world.api.executions("busy-1"), 1);
}

async fn a_503_told_as_a_problem(sdk: Arc<Sdk>) {
    let world = World::new(sdk, "", "unknown_answers = \"problem\"").await;
    world.raises("busy-1", 1200, 504, "outcome-unknown", ONCE).await;
    assert_eq!(world.api.executions("busy-1"), 1);
}

/// The first 500 is the API's own, and the SDK repeats the request once. The replay ends that.
async fn a_500_that_is_stored(sdk: Arc<Sdk>) {
    let world = World::new(sdk, "", "").await;
    world.fails("fails-1", 500, 2).await;
    world.fails("fails-1", 500, ONCE).await;
    assert_eq!(world.api.executions("fails-1"), 1);
}

async fn key_expired(sdk: Arc<Sdk>) {
    let world = World::new(sdk, "", "ttl = \"200ms\"\nlease = \"100ms\"").await;
    world.paid("good-1").await;
    world.record_in("expired").await;
    world.raises("good-1", 1200, 410, "key-expired", ONCE).await;
}

async fn response_not_retained(sdk: Arc<Sdk>) {
    let world = World::new(sdk, "", "max_response_body = \"8KiB\"").await;
    assert_eq!(world.paid("large-1").await, "pi_large");
    world.raises("large-1", 1200, 410, "response-not-retained", ONCE).await;
    assert_eq!(world.api.executions("large-1"), 1);
}

async fn answer_unusable(sdk: Arc<Sdk>) {
    let world = World::new(sdk, "", "").await;
    world.raises("heads-1", 1200, 502, "answer-unusable", ONCE).await;
    world.raises("heads-1", 1200, 410, "response-not-retained", ONCE).await;
    assert_eq!(world.api.executions("heads-1"), 1);
}

async fn upstream_unreachable(sdk: Arc<Sdk>) {
    let (_socket, refusing) = refusing_address();
    let world = World::with(sdk, "", "", "memory:", Some(refusing.port())).await;
    world.raises("good-1", 1200, 502, "upstream-unreachable", RETRIED).await;
}

async fn store_unavailable(sdk: Arc<Sdk>) {
    let mut redis = Server::start();
    let store = format!("redis://127.0.0.1:{}", redis.port);
    let world = World::with(sdk, "", "", &store, None).await;
    world.paid("good-1").await;
    redis.kill();
    world.raises("good-2", 1200, 503, "store-unavailable", RETRIED).await;
    assert_eq!(world.api.executions("good-2"), 0);
}

type Case = Pin<Box<dyn Future<Output = ()> + Send>>;

/// Runs all cases at once, because the SDK spends most of their time waiting between two requests.
async fn every_problem_raises(driver: Driver, in_stripes_shape: bool) {
    let sdk = Arc::new(Sdk { driver, in_stripes_shape });
    let mut cases = JoinSet::new();
    macro_rules! play {
        ($($case:ident)*) => { [$((stringify!($case), Box::pin($case(Arc::clone(&sdk))) as Case)),*] };
    }
    for (name, case) in play!(
        a_retry_is_the_same_payment payload_mismatch key_invalid caller_unknown no_route request_too_large
        in_flight overloaded outcome_unknown_and_settled a_503_that_is_held a_503_told_as_a_problem
        a_500_that_is_stored key_expired response_not_retained answer_unusable upstream_unreachable
        store_unavailable
    ) {
        cases.spawn(async move { (name, timeout(PATIENCE, tokio::spawn(case)).await) });
    }
    let failed = cases.join_all().await.into_iter().filter_map(|(name, played)| match played {
        Ok(Ok(())) => None,
        Ok(Err(_)) => Some(name.to_owned()),
        Err(_) => Some(format!("{name}, which does not end")),
    });
    let failed: Vec<_> = failed.collect();
    assert!(failed.is_empty(), "{failed:?}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn stripe_node() {
    every_problem_raises(Driver::node(), false).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn stripe_python() {
    every_problem_raises(Driver::python(), false).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn stripe_node_in_its_own_shape() {
    every_problem_raises(Driver::node(), true).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn stripe_python_in_its_own_shape() {
    every_problem_raises(Driver::python(), true).await;
}
