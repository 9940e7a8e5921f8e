//! Clients that retry by themselves, unmodified, with the settings of `docs/calling.md`. Each raises the error
//! that it documents, goes on until an answer where the gateway says that the same key is safe, and reports a
//! success only for a payment.

use std::pin::Pin;
use std::sync::Arc;

use tokio::process::Command;
use tokio::task::JoinSet;
use tokio::time::timeout;

use crate::api::Api;
use crate::clients::{Gateway, PATIENCE, refusing_address};
use crate::driver::{Driver, Outcome};
use crate::hop::Hop;

/// The longest series of requests for one payment: the first, and three retries.
const SERIES: usize = 4;

/// A client under test.
#[derive(Clone)]
enum Client {
    /// A library, in the process that calls it.
    Library(&'static str, Arc<Driver>),
    Curl,
}

/// The errors that a client documents.
struct Errors {
    /// For a status that it does not repeat.
    refused: &'static str,
    /// For a status that it repeats, after the last repetition.
    exhausted: &'static str,
}

impl Client {
    async fn pay(&self, port: u16, key: &str, amount: u32) -> Outcome {
        match self {
            Self::Library(name, driver) => driver.pay_with(name, port, key, amount).await,
            Self::Curl => curl(port, key, amount).await,
        }
    }

    /// Returns the errors of this client for a problem with this status.
    fn errors(&self, status: u16) -> Errors {
        let named = |refused, exhausted| Errors { refused, exhausted };
        match (self, status) {
            (Self::Library("modern-treasury", _), 422) => named("UnprocessableEntityError", ""),
            (Self::Library("modern-treasury", _), 409) => named("ConflictError", "ConflictError"),
            (Self::Library("modern-treasury", _), _) => named("InternalServerError", "InternalServerError"),
            (Self::Library("urllib3", _), _) => named("HTTPError", "RetryError"),
            (Self::Library("got", _), _) => named("HTTPError", "HTTPError"),
            (Self::Library(..), _) => named("AxiosError", "AxiosError"),
            (Self::Curl, _) => named("22", "22"),
        }
    }

    /// Tells whether the client repeats every status from 500 on, whatever the answer advises.
    fn repeats_any_failure(&self) -> bool {
        matches!(self, Self::Curl)
    }
}

/// Pays with curl, as a shell script does.
async fn curl(port: u16, key: &str, amount: u32) -> Outcome {
    let mut command = Command::new("curl");
    command.args(["--fail-with-body", "--silent", "--show-error", "--retry", "3", "--max-time", "50"]);
    command.args([
        "--header",
        &format!("Idempotency-Key: {key}"),
        "--header",
        "Authorization: Bearer secret",
    ]);
    command.args(["--json", &format!("{{\"amount\":{amount}}}"), &format!("http://127.0.0.1:{port}/v1/pay")]);
    let output = timeout(PATIENCE, command.output()).await.expect("curl ends").expect("curl runs");
    let (text, errors) = (String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    let code = output.status.code().expect("it was not killed");
    if code == 0 {
        // After a retry, the output begins with the answers that were given up.
        let paid = text.rsplit_once("\"id\":\"").and_then(|(_, rest)| rest.split('"').next());
        return Outcome { paid: paid.map(str::to_owned), ..Outcome::default() };
    }
    let message = format!("{errors}{text}");
    Outcome { raised: Some(code.to_string()), ours: true, message, ..Outcome::default() }
}

/// The parts of one case.
struct World {
    client: Client,
    api: Arc<Api>,
    gateway: Gateway,
    hop: Hop,
}

impl World {
    async fn new(client: Client, server: &str, route: &str) -> Self {
        Self::before(client, server, route, None).await
    }

    async fn before(client: Client, server: &str, route: &str, upstream: Option<u16>) -> Self {
        let api = Api::start().await;
        let port = upstream.unwrap_or(api.address.port());
        let sections = format!(
            "[upstreams.api]\nurl = \"http://127.0.0.1:{port}\"\n[[routes]]\nname = \"pay\"\n\
             path = \"/{{*rest}}\"\nupstream = \"api\"\nkey = {{ required = true }}\n{route}\n"
        );
        let gateway = Gateway::start(server, &sections).await;
        let hop = Hop::before(gateway.address).await;
        Self { client, api, gateway, hop }
    }

    async fn paid(&self, key: &str) -> String {
        let outcome = self.client.pay(self.hop.port, key, 1200).await;
        outcome.paid.clone().unwrap_or_else(|| panic!("{key}: {outcome:?}"))
    }

    /// Pays and raises the error for a status that is not repeated. Returns the number of requests.
    async fn refused(&self, key: &str, amount: u32, status: u16) -> usize {
        let before = self.hop.requests(key);
        let outcome = self.client.pay(self.hop.port, key, amount).await;
        let expected = self.client.errors(status).refused;
        assert_eq!(
            (outcome.raised.as_deref(), outcome.ours),
            (Some(expected), true),
            "{status}: {outcome:?}"
        );
        assert_eq!(outcome.paid, None);
        self.hop.requests(key) - before
    }
}

async fn a_retry_is_the_same_payment(client: Client) {
    let world = World::new(client, "", "").await;
    assert_eq!(world.paid("good-1").await, world.paid("good-1").await);
    assert_eq!((world.api.executions("good-1"), world.hop.requests("good-1")), (1, 2));
}

async fn a_mismatch_is_raised_at_once(client: Client) {
    let world = World::new(client, "", "").await;
    world.paid("good-1").await;
    assert_eq!(world.refused("good-1", 9900, 422).await, 1);
    assert_eq!(world.api.executions("good-1"), 1);
}

async fn an_unknown_outcome_is_raised_and_runs_no_more(client: Client) {
    let most = if client.repeats_any_failure() { SERIES } else { 1 };
    let world = World::new(client, "", "").await;
    // Present when the execution was lost: 504. Every later attempt: 409.
    let requests = world.refused("dies-1", 1200, 504).await;
    assert!((1..=most).contains(&requests), "{requests} requests, not {most}");
    assert_eq!(world.refused("dies-1", 1200, 409).await, 1);
    assert_eq!(world.api.executions("dies-1"), 1);
}

async fn a_503_of_the_upstream_is_no_success(client: Client) {
    let world = World::new(client, "", "unknown_answers = \"problem\"").await;
    world.refused("busy-1", 1200, 504).await;
    assert_eq!(world.api.executions("busy-1"), 1);
}

async fn a_full_gateway_is_asked_until_it_answers(client: Client) {
    let world = Arc::new(World::new(client, "max_in_flight = 1", "").await);
    let pay = |key: &'static str| {
        let world = Arc::clone(&world);
        tokio::spawn(async move { world.paid(key).await })
    };
    let slow = pay("slow-1");
    world.api.reached("slow-1").await;
    let good = pay("good-1");
    world.hop.reached("good-1", 1).await;
    world.api.let_go();
    let (slow, good) = (slow.await.expect("it is paid"), good.await.expect("it is paid"));
    assert_ne!(slow, good);
    assert_eq!((world.api.executions("good-1"), world.api.executions("slow-1")), (1, 1));
}

async fn an_upstream_that_stays_away_is_no_success(client: Client) {
    let (_bound, away) = refusing_address();
    let world = World::before(client, "", "", Some(away.port())).await;
    let outcome = world.client.pay(world.hop.port, "good-1", 1200).await;
    let expected = world.client.errors(502).exhausted;
    assert_eq!((outcome.raised.as_deref(), outcome.ours), (Some(expected), true), "{outcome:?}");
    assert_eq!((outcome.paid, world.hop.requests("good-1")), (None, SERIES));
}

async fn a_lost_answer_is_asked_for_again(client: Client) {
    // By itself, curl does not repeat a request that may have been executed.
    if matches!(client, Client::Curl) {
        return;
    }
    let world = World::new(client, "", "").await;
    let hop = Hop::losing_an_answer(world.gateway.address).await;
    let outcome = world.client.pay(hop.port, "good-1", 1200).await;
    assert_eq!(outcome.paid.as_deref(), Some("pi_1"), "{outcome:?}");
    assert_eq!((world.api.executions("good-1"), hop.requests("good-1")), (1, 2));
}

type Case = fn(Client) -> Pin<Box<dyn Future<Output = ()> + Send>>;

async fn every_case_holds(clients: Vec<Client>) {
    let cases: [Case; 7] = [
        |client| Box::pin(a_retry_is_the_same_payment(client)),
        |client| Box::pin(a_mismatch_is_raised_at_once(client)),
        |client| Box::pin(an_unknown_outcome_is_raised_and_runs_no_more(client)),
        |client| Box::pin(a_503_of_the_upstream_is_no_success(client)),
        |client| Box::pin(a_full_gateway_is_asked_until_it_answers(client)),
        |client| Box::pin(an_upstream_that_stays_away_is_no_success(client)),
        |client| Box::pin(a_lost_answer_is_asked_for_again(client)),
    ];
    let mut running = JoinSet::new();
    for client in clients {
        cases.iter().for_each(|case| drop(running.spawn(case(client.clone()))));
    }
    while let Some(ended) = running.join_next().await {
        ended.expect("each case holds");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn python() {
    let driver = Arc::new(Driver::retrying_python());
    let client = |name| Client::Library(name, Arc::clone(&driver));
    every_case_holds(vec![client("modern-treasury"), client("urllib3")]).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn node() {
    let driver = Arc::new(Driver::retrying_node());
    let client = |name| Client::Library(name, Arc::clone(&driver));
    every_case_holds(vec![client("got"), client("axios-retry")]).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn curl_in_a_script() {
    every_case_holds(vec![Client::Curl]).await;
}
