//! `oncegate records reconcile`: the command itself, against a real listener.

use std::io::Write;
use std::process::Stdio;

use http::StatusCode;
use oncegate::protocol::{Labels, Reason, RecordId, Scope};
use oncegate::store::StoreError;
use serde_json::{Value, json};
use sha2::{Digest, Sha256};
use tempfile::NamedTempFile;

use crate::audit_lines::AuditLines;
use crate::events::Verdict;
use crate::faulty::Fault;
use crate::world::{LEASE, RESPONSE_TIMEOUT, World, id_of};

/// An hour and 40 s before this, each world begins, and an execution that is lost then is over.
const TO: &str = "2023-11-14T23:14:00Z";
const A_MOMENT_EARLIER: &str = "2023-11-14T23:13:59.999Z";

pub struct Ran {
    pub code: Option<i32>,
    pub out: String,
    pub err: String,
}

pub fn file(content: &str) -> NamedTempFile {
    let mut file = tempfile::Builder::new().prefix("ledger-").tempfile().expect("a temporary file");
    file.write_all(content.as_bytes()).expect("it can be written");
    file
}

pub async fn run(world: &World, ledger: &NamedTempFile, arguments: &[&str]) -> Ran {
    run_at(&world.url(""), ledger, arguments).await
}

async fn run_at(admin: &str, ledger: &NamedTempFile, arguments: &[&str]) -> Ran {
    let output = tokio::process::Command::new(env!("CARGO_BIN_EXE_oncegate"))
        .args(["records", "reconcile", "--admin", admin, "--ledger"])
        .arg(ledger.path())
        .args(arguments)
        .env_remove("ONCEGATE_ADMIN_TOKEN")
        .stdin(Stdio::null())
        .output()
        .await
        .expect("the command runs");
    let text = |bytes| String::from_utf8(bytes).expect("text");
    Ran { code: output.status.code(), out: text(output.stdout), err: text(output.stderr) }
}

/// Runs the command with `--json`, and returns its report and exit code.
pub async fn report(world: &World, ledger: &NamedTempFile, arguments: &[&str]) -> (Value, Option<i32>) {
    report_at(&world.url(""), ledger, arguments).await
}

pub async fn report_at(admin: &str, ledger: &NamedTempFile, arguments: &[&str]) -> (Value, Option<i32>) {
    let ran = run_at(admin, ledger, &[arguments, &["--json"]].concat()).await;
    let report = serde_json::from_str(&ran.out).unwrap_or_else(|_| panic!("{} {}", ran.out, ran.err));
    (report, ran.code)
}

/// Returns the lines of all differences of a kind, by record.
pub fn found(report: &Value, kind: &str) -> Vec<(String, Vec<u64>)> {
    let differences = report["differences"].as_array().expect("differences");
    let of_kind = differences.iter().filter(|difference| difference["kind"] == kind);
    let lines =
        |difference: &Value| difference["lines"].as_array().expect("lines").iter().map(number).collect();
    of_kind
        .map(|difference| (difference["record"].as_str().expect("an id").into(), lines(difference)))
        .collect()
}

fn number(value: &Value) -> u64 {
    value.as_u64().expect("a number")
}

pub async fn state(world: &World, id: RecordId) -> Value {
    world.show(id).await["state"].clone()
}

/// Resolves an unknown outcome as not executed.
async fn cleared(world: &World, key: &str) -> RecordId {
    let id = world.unknown(key).await.id;
    world.resolve(id, json!({ "executed": false, "note": "never arrived", "force": true })).await.json();
    id
}

#[tokio::test]
async fn all_that_is_planted_is_found() {
    let world = World::start().await;
    let agreed = world.completed("k-agreed", StatusCode::CREATED, "paid").await.id;
    let double = world.completed("k-double", StatusCode::CREATED, "paid").await.id;
    let later = world.completed("k-later", StatusCode::CREATED, "paid").await.id;
    let refused = world.completed("k-refused", StatusCode::PAYMENT_REQUIRED, "no").await.id;
    let absent = world.completed("k-absent", StatusCode::CREATED, "paid").await.id;
    let unknown = world.unknown("k-unknown").await.id;
    let undecided = world.unknown("k-undecided").await.id;
    let running = world.running("k-running").await.id;
    let cleared = cleared(&world, "k-cleared").await;
    let other = world.unknown_of("refund", "k-1", Reason::ConnectionLost).await.id;
    let gone = "0".repeat(40);
    let ledger = file(&format!(
        "payment,execution\n1,{agreed}:1\n2,{double}:1\n3,{later}:2\n4,{refused}:1\n5,{unknown}:1\n\
         6,{running}:1\n7,{cleared}:1\n8,{other}:1\n9,{gone}:1\n10,{double}:1\n11,\n12,{gone}:2\n"
    ));
    let (whole, code) = report(&world, &ledger, &[]).await;
    assert_eq!(code, Some(1));
    let mut doubles = found(&whole, "double");
    doubles.sort();
    assert_eq!(doubles[0], (gone.clone(), vec![10, 13]));
    assert_eq!(doubles[1], (double.to_string(), vec![3, 11]));
    let mut contradictions = found(&whole, "contradiction");
    contradictions.sort_by_key(|(_, lines)| lines[0]);
    assert_eq!(contradictions, [(later.to_string(), vec![4]), (cleared.to_string(), vec![8])]);
    assert_eq!(found(&whole, "error-stored"), [(refused.to_string(), vec![5])]);
    assert_eq!(found(&whole, "missing"), []);
    assert_eq!(found(&whole, "not-executed"), []);
    let executed = found(&whole, "executed");
    assert_eq!(executed.len(), 2);
    assert!(
        executed.contains(&(unknown.to_string(), vec![6]))
            && executed.contains(&(other.to_string(), vec![9]))
    );
    let tally = &whole["tally"];
    assert_eq!((&tally["agreed"], &tally["running"], &tally["undecided"]), (&json!(1), &json!(1), &json!(1)));
    assert_eq!((&tally["lines_without_record"], &whole["unnamed_lines"]), (&json!(2), &json!(1)));
    assert_eq!(
        (&tally["records"], &tally["compared"], &whole["lines"]),
        (&json!(10), &json!(10), &json!(12))
    );
    assert_eq!(whole["ledger_sha256"], sha256(&ledger));
    assert_eq!(whole["applied"], Value::Null);
    for id in [unknown, undecided, other] {
        assert_eq!(state(&world, id).await, "unknown");
    }

    let (one, _) = report(&world, &ledger, &["--route", "refund"]).await;
    let counted = |name| number(&one["tally"][name]);
    assert_eq!((counted("records"), counted("compared"), counted("lines_of_other_routes")), (10, 1, 8));
    assert_eq!(found(&one, "executed"), [(other.to_string(), vec![9])]);
    assert_eq!(found(&one, "double"), [(gone.clone(), vec![10, 13])]);

    let text = run(&world, &ledger, &["--route", "pay"]).await;
    let advice = "Nothing was changed. --apply decides 1 as executed and 0 as not executed.";
    assert!(text.out.contains(advice), "{}", text.out);
    let line = format!("double {double} route pay execution 1 lines 3,11: 2 payments, by execution 1");
    assert!(text.out.lines().any(|found| found == line), "{}", text.out);
    let count = ["lines", "without", "record", "2"];
    assert!(text.out.lines().any(|row| row.split_whitespace().take(4).eq(count)), "{}", text.out);
    assert!(
        text.out.contains("may belong to any route") && !text.out.contains(&absent.to_string()),
        "{}",
        text.out
    );
    assert_eq!((text.code, &*text.err), (Some(1), ""));
}

fn sha256(ledger: &NamedTempFile) -> String {
    let bytes = std::fs::read(ledger.path()).expect("it can be read");
    Sha256::digest(bytes).iter().map(|byte| format!("{byte:02x}")).collect()
}

#[tokio::test]
async fn what_a_line_decides_is_settled_once() {
    let (audit, _guard) = AuditLines::capture();
    let world = World::start().await;
    let with_response = world.unknown("k-1").await.id;
    let without = world.unknown("k-2").await.id;
    let twice = world.unknown("k-3").await.id;
    let ledger = file(&format!(
        "{{\"execution\":\"{with_response}:1\",\"status\":201,\"body\":{{\"id\": \"ch_1\", \"amount\": 1.10}}}}\n\
         {{\"execution\":\"{without}:1\"}}\n\
         {{\"execution\":\"{twice}:1\",\"status\":201,\"body\":\"a\"}}\n\
         {{\"execution\":\"{twice}:1\",\"status\":201,\"body\":\"b\"}}\n"
    ));
    let apply = ["--apply", "--note", "November, ticket 7"];
    let (first, code) = report(&world, &ledger, &apply).await;
    assert_eq!(code, Some(1), "a double was found");
    assert_eq!(first["applied"], json!({ "executed": 3, "not_executed": 0, "refused": 0 }));
    let (_, replay) = world.attempt("pay", "k-1").await;
    let response = replay.response.expect("a replay");
    assert_eq!(
        (response.status.as_u16(), &response.body[..]),
        (201, &b"{\"id\": \"ch_1\", \"amount\": 1.10}"[..])
    );
    assert_eq!(
        response.headers,
        [("content-type".parse().expect("a name"), "application/json".parse().expect("a value"))]
    );
    for id in [without, twice] {
        assert_eq!(state(&world, id).await, "settled");
    }

    let lines = audit.read();
    assert_eq!(lines.len(), 3, "{lines:?}");
    let name = ledger.path().file_name().and_then(|name| name.to_str()).expect("a name");
    for line in &lines {
        assert_eq!((&line["action"], &line["ledger_sha256"]), (&json!("resolve"), &json!(sha256(&ledger))));
        assert!(!line.to_string().contains("ch_1"), "{line}");
    }
    let of_first = lines.iter().find(|line| line["record"] == with_response.to_string()).expect("its line");
    assert_eq!(of_first["note"], format!("reconciled with {name}: line 1; November, ticket 7"));
    assert!(!world.show(without).await.to_string().contains(&sha256(&ledger)));

    let (second, code) = report(&world, &ledger, &apply).await;
    assert_eq!(second["applied"], json!({ "executed": 0, "not_executed": 0, "refused": 0 }));
    assert_eq!((&second["tally"]["agreed"], code), (&json!(2), Some(1)));
    assert_eq!(audit.read().len(), 3, "nothing was decided twice");
}

#[tokio::test]
async fn absence_decides_only_between_the_times_and_after_the_lag() {
    let world = World::start().await;
    let id = world.unknown("k-1").await.id;
    world.unknown_of("refund", "k-1", Reason::ConnectionLost).await;
    let done = world.completed("k-2", StatusCode::CREATED, "paid").await.id;
    let ledger = file(&format!("execution\n{done}:1\n"));
    let begin = "2023-11-14T22:13:20Z";
    let undecided = [
        vec!["--from", begin, "--to", A_MOMENT_EARLIER],
        vec!["--from", "2023-11-14T22:13:20.001Z", "--to", TO],
        vec!["--from", begin, "--to", TO, "--settle-lag", "61m"],
    ];
    for window in &undecided {
        let (found, code) =
            report(&world, &ledger, &[&window[..], &["--route", "pay", "--apply"]].concat()).await;
        assert_eq!((&found["tally"]["undecided"], &found["counts"]["not-executed"]), (&json!(1), &json!(0)));
        assert_eq!(code, Some(0));
    }
    let apply = ["--from", begin, "--to", TO, "--route", "pay", "--apply"];
    let (early, code) = report(&world, &ledger, &apply).await;
    assert_eq!(early["applied"], json!({ "executed": 0, "not_executed": 0, "refused": 1 }));
    assert!(early["refusals"][0]["detail"].as_str().is_some_and(|why| why.contains("under way")), "{early}");
    assert_eq!((code, state(&world, id).await), (Some(1), json!("unknown")), "one was refused");

    world.clock.advance(LEASE + RESPONSE_TIMEOUT);
    let (late, code) = report(&world, &ledger, &apply).await;
    assert_eq!(late["applied"], json!({ "executed": 0, "not_executed": 1, "refused": 0 }));
    assert_eq!((code, state(&world, id).await), (Some(0), json!("cleared")));
    let (_, retry) = world.attempt("pay", "k-1").await;
    assert_eq!(retry.verdict, Verdict::Won { n: 2 });
}

#[tokio::test]
async fn a_ledger_with_gaps_proves_nothing_by_absence() {
    let world = World::start().await;
    let absent = world.completed("k-1", StatusCode::CREATED, "paid").await.id;
    let (unknown, proven) = (world.unknown("k-2").await.id, world.unknown("k-3").await.id);
    let refund = world.unknown_of("refund", "k-1", Reason::ConnectionLost).await.id;
    world.clock.advance(LEASE + RESPONSE_TIMEOUT);
    let apply = ["--from", "2023-11-14", "--to", "2023-11-15", "--route", "pay", "--apply"];

    let unnamed = file(&format!("execution,memo\n{absent}:1,\n{proven}:1,\n,by hand\n"));
    let (held, code) = report(&world, &unnamed, &apply).await;
    assert_eq!(held["applied"], json!({ "executed": 1, "not_executed": 0, "refused": 0 }));
    assert_eq!((code, state(&world, unknown).await), (Some(1), json!("unknown")));

    let foreign = file(&format!("execution\n{}:1\n", "0".repeat(40)));
    let (held, code) = report(
        &world,
        &foreign,
        &["--from", "2023-11-13", "--to", "2023-11-15", "--route", "refund", "--apply"],
    )
    .await;
    assert_eq!((&held["applied"]["not_executed"], code), (&json!(0), Some(1)), "{held}");
    assert_eq!(state(&world, refund).await, "unknown");

    let incomplete = file(&format!("execution\n{proven}:1\n"));
    let ran = run(&world, &incomplete, &apply).await;
    let missing = format!("missing {absent} route pay execution 1: clients get status 201");
    assert!(ran.out.lines().any(|line| line == missing), "{}", ran.out);
    assert!(ran.out.contains("--despite-gaps"), "{}", ran.out);
    assert_eq!((ran.code, state(&world, unknown).await), (Some(1), json!("unknown")));
    let (applied, code) = report(&world, &incomplete, &[&apply[..], &["--despite-gaps"]].concat()).await;
    assert_eq!(applied["applied"]["not_executed"], 1);
    assert_eq!((code, state(&world, unknown).await), (Some(0), json!("cleared")));
}

#[tokio::test]
async fn keys_find_their_records_through_their_scope() {
    let world = World::start().await;
    let scope = |caller: &'static str| Scope::of([("authorization", [caller.as_bytes()])]);
    let mut ids = Vec::new();
    for (caller, key) in [("Bearer canary-a", "k-1"), ("Bearer canary-b", "k-1"), ("Bearer canary-a", "k-2")]
    {
        let id = id_of("pay", &scope(caller), key);
        world.lost(world.attempt_of(id, "pay", Labels::default()).await, Reason::ConnectionLost).await;
        ids.push(id);
    }
    let csv =
        "key,Authorization,amount\nk-1,Bearer canary-a,1\nk-2,Bearer canary-a,2\nk-1,Bearer canary-c,3\n";
    let json = "{\"key\":\"k-1\",\"authorization\":\"Bearer canary-a\",\"amount\":1}\n\
                {\"key\":\"k-2\",\"authorization\":\"Bearer canary-a\"}\n\
                {\"key\":\"k-1\",\"authorization\":\"Bearer canary-c\"}\n";
    for (content, first) in [(csv, 2), (json, 1)] {
        let (found_here, code) = report(&world, &file(content), &["--route", "pay"]).await;
        assert_eq!(code, Some(0));
        let mut executed = found(&found_here, "executed");
        executed.sort_by_key(|(_, lines)| lines[0]);
        assert_eq!(executed, [(ids[0].to_string(), vec![first]), (ids[2].to_string(), vec![first + 1])]);
        assert_eq!(found_here["tally"]["lines_without_record"], 1);
        assert!(!found_here.to_string().contains("canary"), "{found_here}");
    }
    let twice = file("key,authorization\nk-1,Bearer canary-a\nk-1,Bearer canary-a\n");
    let (doubled, code) = report(&world, &twice, &["--route", "pay"]).await;
    assert_eq!((found(&doubled, "double"), code), (vec![(ids[0].to_string(), vec![2, 3])], Some(1)));
    let strange = run(&world, &file("key,authorization\nk-1,a\nk\u{e9},canary\n"), &["--route", "pay"]).await;
    assert_eq!(strange.code, Some(2), "{}", strange.err);
    assert!(strange.err.contains("line 3: ") && !strange.err.contains("canary"), "{}", strange.err);
    let strange = run(&world, &file(csv), &["--route", "nope"]).await;
    assert!(strange.err.contains("line 2: no route is named `nope`"), "{}", strange.err);
}

#[tokio::test]
async fn wrong_input_changes_nothing() {
    let world = World::start().await;
    let id = world.unknown("k-1").await.id;
    let good = format!("execution\n{id}:1\n");
    let long = format!("execution,body\n{id}:1,{}\n", "x".repeat(1024 * 1024));
    let window = ["--from", "2023-11-14", "--to", "2023-11-15", "--route", "pay"];
    let cases: [(&str, &[&str], &str); 9] = [
        ("id,amount\n1,2\n", &[], "line 1: the header has no column"),
        (&format!("{good}{id}:1,2\n"), &[], "line 3: the header has 1 columns, and this line has 2"),
        (&format!("{{\"execution\":\"{id}:1\"}}\n{{\n"), &[], "line 2: this is not JSON"),
        (&long, &[], "line 2: the line has more than 1 MiB"),
        ("key\nk-1\n", &[], "line 2: it names its operation by a key, which needs one --route"),
        ("key\nk-1\n", &["--route", "pay", "--route", "refund"], "needs one --route"),
        (
            &good,
            &["--from", "2023-11-15", "--to", "2023-11-14", "--route", "pay"],
            "--from is not before --to",
        ),
        (
            &good,
            &["--from", "2023-11-15", "--to", "2999-01-01", "--route", "pay"],
            "cannot be complete up to",
        ),
        (&good, &window[..4], "--route"),
    ];
    for (content, arguments, why) in cases {
        let ran = run(&world, &file(content), &[arguments, &["--apply"]].concat()).await;
        assert!(ran.err.contains(why), "{why}: {} {}", ran.out, ran.err);
        assert_eq!((ran.code, &*ran.out), (Some(2), ""), "{why}");
    }
    let no_file = NamedTempFile::new().expect("a temporary file");
    std::fs::remove_file(no_file.path()).expect("it was there");
    let ran = run(&world, &no_file, &[]).await;
    assert_eq!(ran.code, Some(2), "{}", ran.err);
    assert_eq!(state(&world, id).await, "unknown");
}

#[tokio::test]
async fn a_gateway_that_fails_meanwhile_is_said_to_and_the_next_run_goes_on() {
    let world = World::start().await;
    let id = world.unknown("k-1").await.id;
    let ledger = file(&format!("execution\n{id}:1\n"));
    world.store.fails_with(Fault::Changes(StoreError::Unavailable("no space left".into())));
    let ran = run(&world, &ledger, &["--apply"]).await;
    assert_eq!(ran.code, Some(1), "{}", ran.out);
    assert!(
        ran.out.contains("Not all decisions were applied") && ran.out.contains("Run the command again"),
        "{}",
        ran.out
    );
    world.store.works();
    let (again, code) = report(&world, &ledger, &["--apply"]).await;
    assert_eq!((&again["applied"]["executed"], code), (&json!(1), Some(0)));
}

/// A person looks an order up by its number, not by the id of a record.
#[tokio::test]
async fn a_difference_has_the_labels_of_its_record() {
    let world = World::start().await;
    let order = [("/metadata/order_id", "o-17"), ("x-request-id", "r 1")];
    let id = world.unknown_labelled("k-1", &order).await.id;
    let ledger = file(&format!("execution\n{id}:1\n"));
    let text = run(&world, &ledger, &[]).await.out;
    let line = format!("executed {id} route pay execution 1 line 2 labels o-17, r 1");
    assert!(text.lines().any(|found| found == line), "{text}");
    let (found, _) = report(&world, &ledger, &[]).await;
    assert_eq!(
        found["differences"][0]["labels"],
        json!({ "/metadata/order_id": "o-17", "x-request-id": "r 1" })
    );
}
