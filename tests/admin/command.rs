//! The `oncegate records` command against a real listener.

use std::process::ExitCode;

use clap::{Parser, error::ErrorKind};
use http::StatusCode;
use oncegate::cli::records::{RecordsArgs, answer, run};
use oncegate::protocol::Reason;
use oncegate::secret::Secret;
use serde_json::{Value, json};

use crate::events::Verdict;
use crate::world::{LEASE, World, token};

#[derive(Debug, Parser)]
enum Cli {
    Records(RecordsArgs),
}

fn parsed(arguments: &[&str]) -> Result<RecordsArgs, clap::Error> {
    let line = ["oncegate", "records"].into_iter().chain(arguments.iter().copied());
    Cli::try_parse_from(line).map(|Cli::Records(args)| args)
}

fn against(world: &World, arguments: &[&str]) -> RecordsArgs {
    let admin = world.url("");
    let arguments: Vec<&str> = arguments.iter().copied().chain(["--admin", &admin]).collect();
    parsed(&arguments).expect("right usage")
}

pub async fn printed(world: &World, arguments: &[&str]) -> Result<String, String> {
    answer(&against(world, arguments), None).await
}

pub async fn json_of(world: &World, arguments: &[&str]) -> Value {
    let arguments: Vec<&str> = arguments.iter().copied().chain(["--json"]).collect();
    serde_json::from_str(&printed(world, &arguments).await.expect("it works")).expect("JSON")
}

#[tokio::test]
async fn list_prints_a_table() {
    let world = World::start().await;
    assert_eq!(printed(&world, &["list"]).await, Ok("no records".into()));
    let id = world.unknown("k-1").await.id.to_string();
    world.completed("k-2", StatusCode::CREATED, "paid").await;
    let table = printed(&world, &["list", "--state", "unknown", "--route", "pay"]).await.expect("it works");
    let lines: Vec<Vec<&str>> = table.lines().map(|line| line.split_whitespace().collect()).collect();
    assert_eq!(lines[0], ["ID", "STATE", "N", "STATUS", "REASON", "ROUTE", "UPDATED"]);
    assert_eq!(
        lines[1],
        [&id, "unknown", "1", "-", "response", "timeout", "pay", "2023-11-14T22:13:20.000Z"]
    );
    assert_eq!(lines.len(), 2, "{table}");

    let first = json_of(&world, &["list", "--limit", "1"]).await;
    let cursor = first["next_cursor"].as_str().expect("there is more");
    let second = json_of(&world, &["list", "--cursor", cursor]).await;
    assert_eq!(second["records"].as_array().map(Vec::len), Some(1));
    assert_ne!(first["records"][0]["id"], second["records"][0]["id"]);
    let text = printed(&world, &["list", "--limit", "1"]).await.expect("it works");
    assert!(text.ends_with(&format!("--cursor {cursor}")), "{text}");
}

#[tokio::test]
async fn list_finds_the_oldest_of_a_reason() {
    let world = World::start().await;
    let lost = |key: &'static str| world.unknown_of("pay", key, Reason::Status(503));
    let (old, young) = (lost("k-1").await.id.to_string(), lost("k-2").await.id.to_string());
    world.unknown("k-other").await;
    world.clock.advance(LEASE);
    let newest = lost("k-3").await.id.to_string();
    let list = ["list", "--order", "oldest", "--reason", "status 503"];
    let all = json_of(&world, &list).await;
    let ids: Vec<_> =
        all["records"].as_array().expect("records").iter().map(|record| &record["id"]).collect();
    assert_eq!(ids.len(), 3, "{all}");
    assert_eq!(ids[2], &newest);
    assert!(ids.contains(&&json!(old)) && ids.contains(&&json!(young)), "{all}");
    let aged = json_of(&world, &[&list[..], &["--older-than", "10s", "--route", "pay"]].concat()).await;
    assert_eq!(aged["records"].as_array().map(Vec::len), Some(2), "{aged}");
    let failure = printed(&world, &["list", "--older-than", "soon"]).await.expect_err("no span of time");
    assert!(failure.contains("older_than") && failure.contains("400"), "{failure}");
}

/// Each command prints the answer of the API.
#[tokio::test]
async fn json_is_the_document_of_the_api() {
    let world = World::start().await;
    let id = world.unknown("k-1").await.id;
    let short = &id.to_string()[..6];
    let record = world.show(id).await;
    assert_eq!(json_of(&world, &["list"]).await, world.get("/v1/records").await.json());
    assert_eq!(json_of(&world, &["show", short]).await, record);
    assert_eq!(json_of(&world, &["lookup", "--route", "pay", "--key", "k-1"]).await, record);
    let resolve = ["resolve", short, "--executed", "yes", "--note", "seen", "--status", "201"];
    let resolved = json_of(&world, &resolve).await;
    assert_eq!((&resolved["id"], &resolved), (&record["id"], &world.show(id).await));
    let deleted = json_of(&world, &["delete", short]).await;
    assert_eq!((&deleted["state"], &deleted), (&json!("expired"), &world.show(id).await));
}

#[tokio::test]
async fn show_prints_a_record_and_its_response_on_request() {
    let world = World::start().await;
    let id = world.completed("k-1", StatusCode::CREATED, "paid 4711").await.id.to_string();
    let text = printed(&world, &["show", &id]).await.expect("it works");
    assert!(text.lines().any(|line| line.split_whitespace().eq(["state", "completed"])), "{text}");
    assert!(!text.contains("paid 4711"), "{text}");
    let text = printed(&world, &["show", &id, "--response"]).await.expect("it works");
    assert!(text.ends_with("\n\nstatus 201\ncontent-type: text/plain\n\npaid 4711"), "{text}");
}

#[tokio::test]
async fn lookup_finds_what_a_client_named() {
    let world = World::start().await;
    let id = world.unknown("k-1").await.id.to_string();
    let found = json_of(&world, &["lookup", "--route", "pay", "--key", "k-1"]).await;
    assert_eq!(found["id"], id);
    let scoped = ["lookup", "--route", "pay", "--key", "k-1", "--header", "Authorization: Bearer a"];
    let failure = printed(&world, &scoped).await.expect_err("another caller's key");
    assert!(failure.contains("404") && !failure.contains(&id), "{failure}");
}

#[tokio::test]
async fn resolve_executed_brings_a_response_along() {
    let world = World::start().await;
    let id = world.unknown("k-1").await.id.to_string();
    let file = tempfile::NamedTempFile::new().expect("a temporary file");
    std::fs::write(file.path(), b"{\"id\":\"ch_1\"}").expect("a temporary file can be written");
    let path = file.path().to_str().expect("a path that is text");
    let resolve = ["resolve", &id, "--executed", "yes", "--note", "seen", "--status", "201"];
    let with_body = ["--body-file", path, "--header", "content-type: application/json", "--header", "x-a: 1"];
    let resolved = json_of(&world, &[&resolve[..], &with_body[..]].concat()).await;
    assert_eq!((&resolved["state"], &resolved["status"]), (&json!("completed"), &json!(201)));
    let (_, retry) = world.attempt("pay", "k-1").await;
    let response = retry.response.expect("a replay");
    assert_eq!(response.body, "{\"id\":\"ch_1\"}");
    assert_eq!(response.headers.len(), 2);
}

#[tokio::test]
async fn resolve_not_executed_says_why_not_yet() {
    let world = World::start().await;
    let id = world.unknown("k-1").await.id.to_string();
    let resolve = ["resolve", &id, "--executed", "no", "--note", "not seen"];
    let failure = printed(&world, &resolve).await.expect_err("too early");
    assert!(failure.contains("until 2023-11-14T22:14:00.000Z") && failure.contains("409"), "{failure}");
    let forced = [&resolve[..], &["--force"]].concat();
    assert_eq!(json_of(&world, &forced).await["state"], "cleared");
    let (_, retry) = world.attempt("pay", "k-1").await;
    assert_eq!(retry.verdict, Verdict::Won { n: 2 });
}

#[tokio::test]
async fn delete_leaves_the_tombstone() {
    let world = World::start().await;
    let id = world.completed("k-1", StatusCode::CREATED, "paid").await.id.to_string();
    assert_eq!(json_of(&world, &["delete", &id]).await["state"], "expired");
    let failure = printed(&world, &["delete", &id]).await.expect_err("it is a tombstone already");
    assert!(failure.contains("expired"), "{failure}");
}

#[tokio::test]
async fn the_token_is_presented() {
    let world = World::guarded_by(token("s3cret")).await;
    let list = against(&world, &["list"]);
    let failure = answer(&list, None).await.expect_err("no token");
    assert!(
        failure.contains("401") && failure.ends_with("takes the token from ONCEGATE_ADMIN_TOKEN"),
        "{failure}"
    );
    assert!(answer(&list, Some(Secret("s3cret".into()))).await.is_ok());
}

#[tokio::test]
async fn the_command_ends_0_or_1() {
    let world = World::start().await;
    assert_eq!(run(against(&world, &["list"])).await, ExitCode::SUCCESS);
    assert_eq!(run(against(&world, &["show", "nobody"])).await, ExitCode::FAILURE);
}

#[tokio::test]
async fn a_gateway_that_is_not_there_is_said_to_be_so() {
    // A port that was free a moment ago and has no listener any more.
    let listener = std::net::TcpListener::bind("127.0.0.1:0").expect("a free port");
    let admin = format!("http://{}", listener.local_addr().expect("an address"));
    drop(listener);
    let args = parsed(&["list", "--admin", &admin]).expect("right usage");
    let failure = answer(&args, None).await.expect_err("nobody there");
    assert!(failure.contains(&admin) && failure.contains("refused"), "{failure}");
}

#[test]
fn wrong_usage_is_told_before_anything_is_sent() {
    let resolve = ["resolve", "id", "--executed", "yes", "--note", "n"];
    let many = ["resolve", "--route", "pay", "--executed", "yes", "--note", "n"];
    let lookup = ["lookup", "--route", "pay", "--key", "k"];
    for (arguments, kind) in [
        (vec![], ErrorKind::DisplayHelpOnMissingArgumentOrSubcommand),
        (vec!["show"], ErrorKind::MissingRequiredArgument),
        (vec!["list", "--limit", "0"], ErrorKind::ValueValidation),
        (vec!["list", "--order", "newest"], ErrorKind::InvalidValue),
        (vec!["list", "--admin", "ftp://localhost"], ErrorKind::ValueValidation),
        (vec!["list", "--admin", "localhost:9464"], ErrorKind::ValueValidation),
        (vec!["resolve", "id", "--note", "n"], ErrorKind::MissingRequiredArgument),
        (vec!["resolve", "id", "--executed", "yes"], ErrorKind::MissingRequiredArgument),
        (vec!["resolve", "id", "--executed", "maybe", "--note", "n"], ErrorKind::InvalidValue),
        (vec!["resolve", "--executed", "no", "--note", "n"], ErrorKind::MissingRequiredArgument),
        ([&resolve[..], &["--route", "pay"]].concat(), ErrorKind::ArgumentConflict),
        ([&resolve[..], &["--yes"]].concat(), ErrorKind::ArgumentConflict),
        ([&many[..], &["--force"]].concat(), ErrorKind::ArgumentConflict),
        ([&many[..], &["--status", "201"]].concat(), ErrorKind::ArgumentConflict),
        ([&many[..], &["--state", "completed"]].concat(), ErrorKind::InvalidValue),
        ([&many[..], &["--limit", "10001"]].concat(), ErrorKind::ValueValidation),
        (vec!["reopen", "id"], ErrorKind::MissingRequiredArgument),
        (vec!["lookup", "--route", "pay"], ErrorKind::MissingRequiredArgument),
        ([&lookup[..], &["--key-env", "K"]].concat(), ErrorKind::ArgumentConflict),
        ([&lookup[..], &["--header-env", "a: b"]].concat(), ErrorKind::ValueValidation),
        ([&lookup[..], &["--header-env", "a="]].concat(), ErrorKind::ValueValidation),
        ([&resolve[..], &["--body-file", "f"]].concat(), ErrorKind::MissingRequiredArgument),
        ([&resolve[..], &["--header", "a: b"]].concat(), ErrorKind::MissingRequiredArgument),
        ([&resolve[..], &["--status", "200", "--header", "a"]].concat(), ErrorKind::ValueValidation),
    ] {
        let error = parsed(&arguments).expect_err("wrong usage");
        assert_eq!(error.kind(), kind, "{arguments:?}: {error}");
        assert_eq!(error.exit_code(), 2, "{arguments:?}");
    }
}
