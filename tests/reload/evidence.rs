//! Unknown outcomes across reloads: only the place where an execution began tells what became of it, whatever
//! the routes of later files are called.

use http::Response;
use http_body_util::Full;
use oncegate::settle::marker::schema_sql;
use serde_json::Value;

use crate::harness::{Answer, Gateway, Settings, Upstream, post};
use crate::place::{in_force, reload};
use crate::servers::postgres;

/// A short wait for an answer, so that an answer that does not come is soon an unknown outcome.
const SOON: &str = "response_timeout = \"300ms\"";
const KEPT: &str = "on_unknown = \"retry\"\nkeep_request = true\nlease = \"1s\"";
/// The log line about a kept request that no route may send.
const NOT_SENT: &str = "the kept request does not fit its route any more";

/// A gateway with the routes `pay` and `other`, each in front of an upstream of its own.
struct World {
    paying: std::sync::Arc<Upstream>,
    other: std::sync::Arc<Upstream>,
    gateway: Gateway,
}

impl World {
    /// Starts it with these lines for both routes, in front of upstreams that answer every probe with 404.
    async fn start(route: impl Fn(&Upstream) -> String) -> Self {
        let (paying, other) = (upstream().await, upstream().await);
        let more = format!(
            "[upstreams.others]\nurl = \"http://{}\"\n{SOON}\n[[routes]]\nname = \"other\"\npath = \"/other\"\n\
             upstream = \"others\"\nanonymous = \"one\"\n{}",
            other.address,
            route(&other)
        );
        let directory = tempfile::tempdir().expect("a directory");
        let store = format!(
            "url = \"embedded:{}\"\nseal = [{{ id = \"k\", env = \"SEAL\" }}]",
            directory.keep().join("data").display()
        );
        let settings = Settings::route(&route(&paying)).upstream(SOON).more(&more).store(&store);
        let gateway =
            Gateway::start(&paying, settings.env("SEAL", "c2VhbHNlYWxzZWFsc2VhbHNlYWxzZWFsc2VhbHNlYWw="))
                .await;
        Self { paying, other, gateway }
    }

    async fn pay(&self) -> Answer {
        post(self.gateway.address, "/v1/charges", "k", "{}").await
    }

    /// Pays, and gets no answer.
    async fn lose_an_answer(&self) {
        self.paying.hold();
        self.pay().await.problem(504, "outcome-unknown", "unknown", "same-key");
        self.paying.let_go();
    }

    /// Takes a configuration that gives each route the name of the other one.
    async fn swap_names(&self) {
        self.reload(|text| {
            let text = text.replace("name = \"pay\"", "name = \"third\"");
            let text = text.replace("name = \"other\"", "name = \"pay\"");
            text.replace("name = \"third\"", "name = \"other\"")
        })
        .await;
    }

    async fn reload(&self, change: impl FnOnce(&str) -> String) -> Value {
        self.gateway.rewrite(change);
        in_force(&reload(&self.gateway).await)
    }
}

async fn upstream() -> std::sync::Arc<Upstream> {
    Upstream::answering(|seen| {
        let status = if seen.path.starts_with("/asked") { 404 } else { 201 };
        Response::builder().status(status).body(Full::from("{}")).expect("a response")
    })
    .await
}

fn probe(upstream: &Upstream) -> String {
    format!(
        "on_unknown = \"probe\"\nlease = \"1s\"\nprobe = {{ url = \"http://{}/asked?key={{key}}\", executed = [200], \
         not_executed = [404], not_before = \"1ms\" }}",
        upstream.address
    )
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_kept_request_goes_where_it_went_although_its_route_has_another_name() {
    let world = World::start(|_| KEPT.into()).await;
    world.lose_an_answer().await;
    world.swap_names().await;
    // The second execution has the key of the first one.
    world.paying.reached(2).await;
    world.gateway.record_in("completed").await;
    assert!(world.pay().await.is_replay());
    assert_eq!((world.paying.executions(), world.other.executions()), (2, 0));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn no_other_upstream_gets_a_request_whose_outcome_is_unknown() {
    let world = World::start(|_| KEPT.into()).await;
    world.lose_an_answer().await;
    let (from, to) = (world.paying.address.to_string(), world.other.address.to_string());
    world.reload(|text| text.replace(&from, &to)).await;
    world.gateway.logs(NOT_SENT).await;
    world.pay().await.problem(409, "outcome-unknown", "unknown", "never");
    assert_eq!((world.paying.executions(), world.other.executions()), (1, 0));
    // A more specific route in front of the other upstream takes the path over.
    let specific = format!(
        "[[routes]]\nname = \"charges\"\npath = \"/v1/charges\"\nupstream = \"others\"\nanonymous = \"one\"\n{KEPT}\n"
    );
    world.reload(|text| text.replacen(&to, &from, 1) + &specific).await;
    world.pay().await.problem(409, "outcome-unknown", "unknown", "never");
    world.reload(|text| text.replace(&specific, "")).await;
    assert_eq!(world.pay().await.status, 201, "the upstream of the first execution knows the key");
    assert_eq!((world.paying.executions(), world.other.executions()), (2, 0));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn no_other_probe_is_asked_about_an_execution() {
    let world = World::start(probe).await;
    world.lose_an_answer().await;
    world.swap_names().await;
    world.pay().await.problem(409, "outcome-unknown", "unknown", "never");
    world.swap_names().await;
    // The execution is asked about where it began, and declared not executed.
    world.gateway.record_in("cleared").await;
    assert_eq!(world.pay().await.status, 201);
    assert_eq!(world.other.executions(), 0);
}

/// The row of the execution is in the first table, so a fence in the second one would be no fence.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn no_other_marker_table_is_asked_about_an_execution() {
    let server = postgres::shared();
    let mut tables = Vec::new();
    for _ in 0..2 {
        let schema = postgres::schema();
        server.run(&format!("CREATE SCHEMA {schema}")).await;
        server.run(&schema_sql(&format!("{schema}.marker"))).await;
        tables.push(format!("{schema}.marker"));
    }
    let marker = |table: &str| {
        let url = format!("postgres://oncegate@127.0.0.1:{}/postgres?sslmode=disable", server.port);
        format!("on_unknown = \"marker\"\nmarker = {{ url = \"{url}\", table = \"{table}\" }}")
    };
    let (first, second) = (marker(&tables[0]), marker(&tables[1]));
    let world = World::start(|_| format!("lease = \"1s\"\n{first}")).await;
    world.paying.hold();
    let address = world.gateway.address;
    let paying = tokio::spawn(async move { post(address, "/v1/charges", "k", "{}").await });
    world.paying.reached(1).await;
    let execution = world.paying.seen()[0].header("idempotency-execution").to_owned();
    server.run(&format!("INSERT INTO {} (execution) VALUES ('{execution}')", tables[0])).await;
    world.reload(|text| text.replace(&first, "on_unknown = \"hold\"")).await;
    world.reload(|text| text.replace("on_unknown = \"hold\"", &second)).await;
    paying.await.expect("no panic").problem(504, "outcome-unknown", "unknown", "never");
    world.paying.let_go();
    world.gateway.record_in("unknown").await;
    world.pay().await.problem(409, "outcome-unknown", "unknown", "never");
    let fences = server.value::<i64>(&format!("SELECT count(*) FROM {}", tables[1])).await;
    assert_eq!((fences, world.paying.executions()), (0, 1));
    world.reload(|text| text.replace(&second, "on_unknown = \"hold\"")).await;
    world.reload(|text| text.replace("on_unknown = \"hold\"", &first)).await;
    world.gateway.record_in("settled").await;
    assert_eq!(world.paying.executions(), 1);
}
