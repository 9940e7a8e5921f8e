//! `oncegate records resolve` with a filter instead of an id, and what each decision says.

use std::process::{Output, Stdio};
use std::sync::Arc;

use axum::extract::{Request, State};
use axum::response::IntoResponse;
use http::{Method, StatusCode};
use http_body_util::BodyExt;
use oncegate::config::Role;
use oncegate::protocol::Reason;
use serde_json::{Value, json};
use tokio::net::TcpListener;
use tokio::process::Command;

use crate::world::{LEASE, RESPONSE_TIMEOUT, World, tokens};

const NOT_EXECUTED: [&str; 4] = ["--executed", "no", "--note", "INC-7"];

/// Runs the command without a terminal.
async fn command(admin: &str, arguments: &[&str], variables: &[(&str, &str)]) -> Output {
    let mut command = Command::new(env!("CARGO_BIN_EXE_oncegate"));
    command.args(["records", "--admin", admin]).args(arguments).envs(variables.iter().copied());
    command.stdin(Stdio::null()).output().await.expect("it runs")
}

async fn resolve(world: &World, arguments: &[&str]) -> Output {
    command(&world.url(""), &[&["resolve"], &NOT_EXECUTED[..], arguments].concat(), &[]).await
}

fn out(output: &Output) -> &str {
    std::str::from_utf8(&output.stdout).expect("text")
}

fn err(output: &Output) -> &str {
    std::str::from_utf8(&output.stderr).expect("text")
}

/// Makes unknown outcomes with the status 503, and waits until they may be declared not executed.
async fn lost(world: &World, count: usize) -> Vec<String> {
    let mut ids = Vec::new();
    for number in 0..count {
        let lost = world.unknown_of("pay", &format!("k-{number}"), Reason::Status(503)).await;
        ids.push(lost.id.to_string());
    }
    world.clock.advance(LEASE + RESPONSE_TIMEOUT);
    ids
}

async fn state(world: &World, id: &str) -> Value {
    world.get(&format!("/v1/records/{id}")).await.json()["state"].clone()
}

#[tokio::test]
async fn without_a_terminal_and_without_yes_nothing_is_sent() {
    let world = World::start().await;
    let ids = lost(&world, 23).await;
    let refused = resolve(&world, &["--route", "pay"]).await;
    assert_eq!((refused.status.code(), out(&refused)), (Some(1), ""));
    let told = err(&refused);
    assert_eq!(told.lines().filter(|line| line.contains("status 503")).count(), 20, "{told}");
    assert!(told.contains("… and 3 more\n"), "{told}");
    assert!(told.contains("no terminal to ask on; nothing was sent. With --yes, these 23 are"), "{told}");
    for id in &ids {
        assert_eq!(state(&world, id).await, "unknown");
    }
}

/// A script with an unset variable does not decide all outcomes.
#[tokio::test]
async fn an_empty_filter_selects_nothing() {
    let world = World::start().await;
    let id = lost(&world, 1).await.remove(0);
    for filter in ["--label", "--route", "--reason", "--older-than"] {
        let refused = resolve(&world, &[filter, "", "--yes"]).await;
        assert_eq!(refused.status.code(), Some(2), "{filter}: {}", out(&refused));
        assert!(err(&refused).contains("a value is required"), "{filter}");
    }
    let refused = resolve(&world, &["--yes"]).await;
    assert!(
        err(&refused).contains("<ID|--route <ROUTE>|--reason <REASON>|--label <VALUE>"),
        "{}",
        err(&refused)
    );
    assert_eq!((refused.status.code(), state(&world, &id).await), (Some(2), json!("unknown")));
}

#[tokio::test]
async fn all_that_fit_are_decided_and_no_other() {
    let world = World::start().await;
    let ids = lost(&world, 12).await;
    let other = world.unknown_of("pay", "other", Reason::LeaseOver).await.id.to_string();
    let elsewhere = world.unknown_of("refund", "k", Reason::Status(503)).await.id.to_string();
    let filters = ["--reason", "status 503", "--older-than", "30s", "--state", "unknown", "--yes"];
    let resolved = resolve(&world, &[&filters[..], &["--route", "pay"]].concat()).await;
    assert_eq!(resolved.status.code(), Some(0), "{}", err(&resolved));
    assert!(
        out(&resolved).starts_with("resolved 12 as not executed\n\nThe next attempt"),
        "{}",
        out(&resolved)
    );
    assert!(out(&resolved).contains("oncegate records reopen ID --note TEXT"), "{}", out(&resolved));
    for id in &ids {
        assert_eq!(state(&world, id).await, "cleared");
    }
    assert_eq!(
        (state(&world, &other).await, state(&world, &elsewhere).await),
        (json!("unknown"), json!("unknown"))
    );
    // A label finds its records, whatever their reason.
    let order = [("/order", "o-17")];
    let labelled = world.unknown_labelled("labelled", &order).await.id.to_string();
    world.clock.advance(LEASE + RESPONSE_TIMEOUT);
    let by_label = resolve(&world, &["--label", "o-17", "--yes"]).await;
    assert!(out(&by_label).starts_with("resolved 1 as not executed\n"), "{}", out(&by_label));
    assert_eq!(
        (state(&world, &labelled).await, state(&world, &other).await),
        (json!("cleared"), json!("unknown"))
    );
    let filters = [&filters[..], &["--label", "o-18"]].concat();
    let none = resolve(&world, &[&filters[..], &["--route", "pay"]].concat()).await;
    assert_eq!((none.status.code(), out(&none), err(&none)), (Some(0), "no unknown outcome fits\n", ""));
}

/// Young outcomes, whose call may still be under way, are refused and named. The command then ends with 1.
#[tokio::test]
async fn refused_decisions_are_named() {
    let world = World::start().await;
    lost(&world, 3).await;
    let young = world.unknown_of("pay", "young", Reason::Status(503)).await.id.to_string();
    let mixed = resolve(&world, &["--route", "pay", "--yes", "--json"]).await;
    assert_eq!(mixed.status.code(), Some(1), "{}", err(&mixed));
    let results: Value = serde_json::from_str(out(&mixed)).expect("one JSON document");
    assert_eq!(results["resolved"].as_array().map(Vec::len), Some(3), "{results}");
    assert!(results["resolved"][0]["id"].is_string() && results["failed"] == json!([]), "{results}");
    assert_eq!(results["refused"][0]["id"], young, "{results}");
    let again = resolve(&world, &["--route", "pay", "--yes"]).await;
    assert_eq!(again.status.code(), Some(1));
    let told = out(&again);
    assert!(told.starts_with("resolved 0 as not executed, 1 refused\n"), "{told}");
    assert!(told.contains(&format!("refused: {young}  ")) && told.contains("until 2023-"), "{told}");
}

#[tokio::test]
async fn the_oldest_come_first_and_the_limit_is_said() {
    let world = World::start().await;
    let old = lost(&world, 1003).await;
    let young = world.unknown_of("pay", "young", Reason::Status(503)).await.id.to_string();
    world.clock.advance(LEASE + RESPONSE_TIMEOUT);
    let resolved = resolve(&world, &["--state", "unknown", "--limit", "1003", "--yes"]).await;
    assert_eq!(resolved.status.code(), Some(0), "{}", err(&resolved));
    assert!(err(&resolved).contains("These are the 1003 oldest; more may fit."), "{}", err(&resolved));
    assert!(out(&resolved).contains("run the command again"), "{}", out(&resolved));
    assert_eq!(
        (state(&world, &old[0]).await, state(&world, &young).await),
        (json!("cleared"), json!("unknown"))
    );
}

/// An operation that ran again between the list and the decision is not decided.
#[tokio::test]
async fn a_decision_holds_for_the_listed_execution_alone() {
    let world = Arc::new(World::start().await);
    let id = lost(&world, 1).await.remove(0);
    let admin = rerunning(Arc::clone(&world), id.clone()).await;
    let arguments = [&["resolve"], &NOT_EXECUTED[..], &["--route", "pay", "--yes"]].concat();
    let refused = command(&admin, &arguments, &[]).await;
    assert_eq!(refused.status.code(), Some(1), "{}", out(&refused));
    assert!(out(&refused).contains(&format!("refused: {id}  ")), "{}", out(&refused));
    let record = world.get(&format!("/v1/records/{id}")).await.json();
    assert_eq!((&record["state"], &record["execution"]), (&json!("unknown"), &json!(2)), "{record}");
}

/// Starts a listener in front of the world. Behind each list, the operation runs again and is lost again.
async fn rerunning(world: Arc<World>, id: String) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
    let address = listener.local_addr().expect("an address");
    let router = axum::Router::new().fallback(pass_on).with_state((world, id));
    tokio::spawn(async move { axum::serve(listener, router).await });
    format!("http://{address}")
}

async fn pass_on(State((world, id)): State<(Arc<World>, String)>, request: Request) -> impl IntoResponse {
    let (head, body) = request.into_parts();
    let body = body.collect().await.expect("a body").to_bytes();
    let path = head.uri.to_string();
    let answer = match head.method {
        Method::GET => {
            let list = world.get(&path).await;
            let decision = json!({ "executed": false, "note": "n" });
            let declared = world.post(&format!("/v1/records/{id}/resolve"), decision).await;
            assert_eq!(declared.status, StatusCode::OK);
            world.unknown_of("pay", "k-0", Reason::Status(503)).await;
            world.clock.advance(LEASE + RESPONSE_TIMEOUT);
            list
        }
        _ => world.post(&path, serde_json::from_slice(&body).expect("JSON")).await,
    };
    (answer.status, answer.body)
}

#[tokio::test]
async fn a_decision_says_what_clients_get_from_then_on() {
    let world = World::start().await;
    let ids = lost(&world, 3).await;
    let decided = async |id: &str, more: &[&str]| {
        let arguments = [&["resolve", id, "--note", "seen", "--executed"], more].concat();
        let resolved = command(&world.url(""), &arguments, &[]).await;
        assert_eq!(resolved.status.code(), Some(0), "{}", err(&resolved));
        out(&resolved).to_owned()
    };
    let until = "2023-11-14T23:14:00.000Z";
    let told = decided(&ids[0], &["yes", "--status", "201"]).await;
    assert!(told.contains(&format!("gets the stored response, status 201, until {until}.")), "{told}");
    let told = decided(&ids[1], &["yes"]).await;
    assert!(told.contains(&format!("gets outcome-settled until {until}:")), "{told}");
    assert!(told.contains(&format!("oncegate records reopen {} --note TEXT", ids[1])), "{told}");
    let told = decided(&ids[2], &["no"]).await;
    assert!(told.contains(&format!("runs as execution 2, if it comes before {until}.")), "{told}");
}

#[tokio::test]
async fn a_lookup_takes_its_secrets_from_the_environment() {
    let world = World::start().await;
    world.unknown("k-1").await;
    let look_up = ["lookup", "--route", "pay", "--json", "--key-env", "THE_KEY"];
    let tenant = ["--header-env", "X-Tenant=THE_TENANT"];
    let admin = world.url("");
    let found = command(&admin, &look_up, &[("THE_KEY", "k-1")]).await;
    assert_eq!(found.status.code(), Some(0), "{}", err(&found));
    let found: Value = serde_json::from_str(out(&found)).expect("JSON");
    assert_eq!(found["state"], "unknown");
    // The header counts: another caller has no such record.
    let with_tenant = [&look_up[..], &tenant].concat();
    let foreign = command(&admin, &with_tenant, &[("THE_KEY", "k-1"), ("THE_TENANT", "t-7")]).await;
    assert!(foreign.status.code() == Some(1) && err(&foreign).contains("404"), "{}", err(&foreign));
    for (variables, failure) in [
        (vec![("THE_TENANT", "t")], "--key-env: the environment variable THE_KEY is not set"),
        (vec![("THE_KEY", "k-1")], "--header-env: the environment variable THE_TENANT is not set"),
        (vec![("THE_KEY", "k-1"), ("THE_TENANT", "")], "the environment variable THE_TENANT is empty"),
        (
            vec![("THE_KEY", "k-1"), ("THE_TENANT", "s3cret\n")],
            "the value of THE_TENANT is not a header value",
        ),
    ] {
        let refused = command(&admin, &with_tenant, &variables).await;
        assert_eq!(refused.status.code(), Some(1), "{failure}");
        assert!(err(&refused).contains(failure) && !err(&refused).contains("s3cret"), "{}", err(&refused));
    }
}

/// A decision is taken back, and `show` tells each step. Control characters of a note stay out of the
/// terminal.
#[tokio::test]
async fn a_decision_is_taken_back_and_shown_with_its_notes() {
    let world = World::start().await;
    let id = lost(&world, 1).await.remove(0);
    let admin = world.url("");
    let run = async |arguments: &[&str]| command(&admin, arguments, &[]).await;
    let note = "not there\u{1b}[2J\u{202e}";
    let cleared = run(&["resolve", &id, "--executed", "no", "--note", note]).await;
    assert_eq!(cleared.status.code(), Some(0), "{}", err(&cleared));
    let reopened = run(&["reopen", &id[..8], "--note", "INC-7: the wrong order"]).await;
    assert_eq!(reopened.status.code(), Some(0), "{}", err(&reopened));
    assert!(out(&reopened).contains("state        unknown\n"), "{}", out(&reopened));
    let shown = run(&["show", &id]).await;
    let timeline: Vec<&str> = out(&shown).lines().skip_while(|line| *line != "history").skip(1).collect();
    let steps: Vec<String> =
        timeline.iter().map(|line| line.split_whitespace().skip(1).collect::<Vec<_>>().join(" ")).collect();
    assert_eq!(
        steps,
        [
            "claimed execution 1 by gateway",
            "unknown execution 1 by gateway status 503",
            "resolved as not executed execution 1 by loopback not there\\u{1b}[2J\\u{202e}",
            "reopened execution 1 by loopback INC-7: the wrong order",
        ],
        "{}",
        out(&shown)
    );
    assert!(!out(&shown).contains(['\u{1b}', '\u{202e}']), "{}", out(&shown));
    let history = run(&["show", &id, "--json"]).await;
    let history: Value = serde_json::from_str(out(&history)).expect("JSON");
    assert_eq!(history["history"][2]["note"], note, "JSON keeps each character");
    let again = run(&["reopen", &id, "--note", "n"]).await;
    assert_eq!((again.status.code(), out(&again)), (Some(1), ""));
    assert!(err(&again).contains("only a decision of an operator can be taken back"), "{}", err(&again));
}

/// A failure that all further decisions would share ends the sending. The result says which failed, and which were not
/// sent.
#[tokio::test]
async fn a_gateway_that_refuses_the_operator_gets_no_further_decision() {
    let world = World::guarded_by(tokens(&[("watcher", "s3cret", Role::Read)])).await;
    lost(&world, 40).await;
    let arguments = [&["resolve"], &NOT_EXECUTED[..], &["--route", "pay", "--yes", "--json"]].concat();
    let failed = command(&world.url(""), &arguments, &[("ONCEGATE_ADMIN_TOKEN", "s3cret")]).await;
    assert_eq!(failed.status.code(), Some(1), "{}", err(&failed));
    let results: Value = serde_json::from_str(out(&failed)).expect("JSON");
    let count = |name: &str| results[name].as_array().map_or(0, Vec::len);
    assert!((1..=8).contains(&count("failed")), "{results}");
    assert_eq!((count("resolved"), count("refused")), (0, 0), "{results}");
    assert_eq!(count("failed") + count("not_sent"), 40, "{results}");
    assert!(results["failed"][0]["why"].as_str().is_some_and(|why| why.contains("403")), "{results}");
}
