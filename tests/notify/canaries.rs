//! Secrets that must not be found anywhere while people and a ledger decide unknown outcomes: in logs, metrics,
//! audit lines, events, lists, the output of the command, or clear fields of the store.

use std::io::Write;
use std::path::Path;
use std::process::{Output, Stdio};
use std::sync::Arc;

use base64::Engine;
use base64::prelude::BASE64_STANDARD as BASE64;
use http::Response;
use http_body_util::Full;
use serde_json::Value;
use tempfile::NamedTempFile;
use tokio::process::Command;

use crate::harness::{Answer, Connection, Gateway, Upstream, contains, request_bytes};
use crate::world::{SECRET, events, receiver, telling, until_told_of};

const KEY: &str = "canary-a1-key";
const CREDENTIAL: &str = "canary-b2-credential";
const COOKIE: &str = "canary-c3-cookie";
const QUERY: &str = "canary-d4-query";
const BODY: &str = "canary-e5-body";
/// Words of the upstream's answers: of a stored one, and of one that leaves the outcome unknown.
const STORED: &str = "canary-f6-stored";
const REFUSAL: &str = "canary-07-refusal";
const TOKEN: &str = "canary-18-admin-token";
const OTHER_TOKEN: &str = "canary-29-wrong-token";
/// Words of the responses that an operator and a ledger supply.
const SUPPLIED: &str = "canary-3a-supplied";
const IN_LEDGER: &str = "canary-4b-ledger";
/// A column of a ledger that no line needs.
const COLUMN: &str = "canary-5c-column";
/// The query of the webhook's URL, and the key that seals.
const HOOK: &str = "CANARY";
const SEAL: &[u8; 32] = b"canary-6d-seal-of-thirty-two-byt";

/// Secrets that a gateway may store: the responses that clients get.
const RESPONSES: [&str; 3] = [STORED, SUPPLIED, IN_LEDGER];
/// Secrets that a gateway may store only sealed, or not at all.
const OTHERS: [&str; 10] = [KEY, CREDENTIAL, COOKIE, QUERY, BODY, REFUSAL, TOKEN, OTHER_TOKEN, COLUMN, HOOK];

const SECTIONS: &str = r#"
[lookup]
enabled = true

[[admin.tokens]]
name = "ops-1"
env = "OPS_TOKEN"
role = "settle"

[[store.seal]]
id = "2026-11"
env = "SEAL"
"#;

/// The request of a client is kept, sealed, for another execution. None begins by itself during a test.
const ROUTE: &str = r#"
label = ["header:x-request-id", "json:/order"]
anonymous = "refuse"
on_unknown = "retry"
upstream_keys = { window = "23h" }
keep_request = true
lease = "10m"
"#;

/// The gateway, and everything that was shown to operators and clients so far.
struct World {
    gateway: Gateway,
    receiver: Arc<Upstream>,
    shown: Vec<(String, Vec<u8>)>,
}

impl World {
    async fn start(format: &str) -> Self {
        let api = Upstream::answering(|seen| {
            let refused = seen.header("idempotency-key").contains("lost");
            let (status, word) = if refused { (503, REFUSAL) } else { (201, STORED) };
            let response = Response::builder().status(status).header("set-cookie", word);
            response.body(Full::from(format!("{{\"id\":\"{word}\"}}"))).expect("a response")
        });
        let (api, receiver) = (api.await, receiver().await);
        let mut settings = telling(receiver.address);
        settings.more.push_str(SECTIONS);
        settings.route = ROUTE.into();
        let seal = BASE64.encode(SEAL);
        for (name, value) in [
            ("OPS_TOKEN", TOKEN),
            ("SEAL", &seal),
            ("ONCEGATE__LOG__LEVEL", "debug"),
            ("ONCEGATE__LOG__FORMAT", format),
        ] {
            settings = settings.env(name, value);
        }
        let gateway = Gateway::start(&api, settings).await;
        Self { gateway, receiver, shown: Vec::new() }
    }

    /// Sends a request of a client to the public listener.
    async fn ask(&self, method: &str, path: &str, key: &str, body: &str) -> Answer {
        let (credential, cookie) = (format!("Bearer {CREDENTIAL}"), format!("session={COOKIE}"));
        let headers = [
            ("idempotency-key", key),
            ("authorization", &credential),
            ("cookie", &cookie),
            ("content-type", "application/json"),
            ("x-request-id", "r-1"),
        ];
        let mut connection = Connection::open(self.gateway.address).await;
        connection.send(request_bytes(method, path, &headers, body.as_bytes())).await;
        connection.answer().await
    }

    /// Pays an order, and returns the id of its record.
    async fn pay(&self, order: &str, status: u16) -> String {
        let body = format!("{{\"order\":\"{order}\",\"card\":\"{BODY}\"}}");
        let path = format!("/v1/charges?card={QUERY}");
        let answer = self.ask("POST", &path, &format!("{KEY}-{order}"), &body).await;
        assert_eq!(answer.status, status, "{answer:?}");
        answer.header("idempotency-record").expect("a record").to_owned()
    }

    /// Runs `oncegate records`, and keeps its output to look for secrets in it.
    async fn records(&mut self, token: &str, arguments: &[&str], code: i32) -> String {
        let (output, place) = self.run(token, arguments).await;
        assert_eq!(output.status.code(), Some(code), "{place}: {output:?}");
        let text = String::from_utf8_lossy(&output.stdout).into_owned();
        self.shown.push((place, [output.stdout, output.stderr].concat()));
        text
    }

    async fn run(&self, token: &str, arguments: &[&str]) -> (Output, String) {
        let mut command = Command::new(env!("CARGO_BIN_EXE_oncegate"));
        command.args(["records", "--admin", &format!("http://{}", self.gateway.admin)]).args(arguments);
        command.env("ONCEGATE_ADMIN_TOKEN", token).env("THE_CALLER", format!("Bearer {CREDENTIAL}"));
        command.env("THE_KEY", format!("{KEY}-lost-1")).env("NO_KEY", format!("{KEY} no key"));
        let output = command.stdin(Stdio::null()).output().await.expect("it runs");
        (output, format!("records {}", arguments.join(" ")))
    }
}

fn file(content: &str) -> NamedTempFile {
    let mut file = NamedTempFile::new().expect("a file");
    file.write_all(content.as_bytes()).expect("it can be written");
    file
}

fn path(file: &NamedTempFile) -> &str {
    file.path().to_str().expect("text")
}

#[tokio::test]
async fn secrets_are_nowhere_in_json_logs() {
    planted("json").await;
}

#[tokio::test]
async fn secrets_are_nowhere_in_text_logs() {
    planted("text").await;
}

/// Lets payments get lost, and decides them in every way.
async fn planted(format: &str) {
    let mut world = World::start(format).await;
    for _ in 0..2 {
        world.pay("paid-1", 201).await;
    }
    let mut ids = Vec::new();
    for number in 1..=4 {
        ids.push(world.pay(&format!("lost-{number}"), 503).await);
    }
    until_told_of(&world.receiver, 4).await;
    look(&mut world).await;
    clients_ask(&mut world).await;
    operators_look(&mut world, &ids).await;
    operators_decide(&mut world, &ids).await;
    ledgers_decide(&mut world).await;
    let note = ["delete", &ids[0]];
    world.records(TOKEN, &note, 0).await;
    world.gateway.logs("record deleted").await;
    look(&mut world).await;
}

async fn clients_ask(world: &mut World) {
    let place = "/.well-known/idempotency/record?route=pay&path=/v1/charges";
    for (key, status) in [("-lost-1", 200), ("-paid-1", 200), ("-unused", 404), (" no key", 400)] {
        let answer = world.ask("GET", place, &format!("{KEY}{key}"), "").await;
        assert_eq!(answer.status, status, "{answer:?}");
        world.shown.push((format!("the answer to a lookup of {key}"), answer.body));
    }
    let wrong = world.ask("GET", &format!("{place}&key={QUERY}"), KEY, "").await;
    assert_eq!(wrong.status, 400, "{wrong:?}");
    world.shown.push(("the answer to a wrong lookup".into(), wrong.body));
}

async fn operators_look(world: &mut World, ids: &[String]) {
    world.records(TOKEN, &["list", "--order", "oldest"], 0).await;
    let found = world.records(TOKEN, &["list", "--label", "lost-2", "--json"], 0).await;
    let found: Value = serde_json::from_str(&found).expect("JSON");
    assert_eq!(found["records"][0]["id"], ids[1], "{found}");
    world.records(TOKEN, &["show", &ids[0]], 0).await;
    world.records(OTHER_TOKEN, &["list"], 1).await;
    let by = |key| ["lookup", "--route", "pay", "--path", "/v1/charges", "--key-env", key];
    let caller = ["--header-env", "Authorization=THE_CALLER"];
    let found = world.records(TOKEN, &[&by("THE_KEY")[..], &caller].concat(), 0).await;
    assert!(found.contains(&ids[0]), "{found}");
    world.records(TOKEN, &by("THE_KEY"), 1).await;
    world.records(TOKEN, &by("NO_KEY"), 1).await;
}

async fn operators_decide(world: &mut World, ids: &[String]) {
    let body = file(&format!("{{\"id\":\"{SUPPLIED}\"}}"));
    let yes = ["--executed", "yes", "--note", "seen"];
    let response =
        ["--status", "201", "--body-file", path(&body), "--header", "x-charge: canary-3a-supplied"];
    // Arguments are no output, and the place would repeat them.
    let (resolved, _) = world.run(TOKEN, &[&["resolve", &ids[0]], &yes[..], &response].concat()).await;
    assert!(resolved.status.success(), "{resolved:?}");
    world.shown.push(("resolve with a response".into(), [resolved.stdout, resolved.stderr].concat()));
    let (shown, _) = world.run(TOKEN, &["show", "--response", &ids[0]]).await;
    assert!(contains(&shown.stdout, SUPPLIED), "only this shows a response: {shown:?}");
    world.gateway.logs("stored response shown").await;
    world.records(TOKEN, &[&["resolve", &ids[1]], &yes[..]].concat(), 0).await;
    world.records(TOKEN, &["reopen", &ids[1], "--note", "wrong"], 0).await;
    let no = ["resolve", "--executed", "no", "--note", "not seen"];
    world.records(TOKEN, &[&no[..], &[&ids[1]]].concat(), 1).await;
    world.records(TOKEN, &[&no[..], &["--force", &ids[1]]].concat(), 0).await;
    world.pay("lost-2", 503).await;
    world
        .records(TOKEN, &["resolve", "--executed", "yes", "--note", "n", "--label", "lost-4", "--yes"], 0)
        .await;
    world.records(TOKEN, &["show", &ids[1]], 0).await;
}

async fn ledgers_decide(world: &mut World) {
    let head = "key,authorization,path,status,body,card\n";
    let line = |key: &str| format!("{KEY}-{key},Bearer {CREDENTIAL},/v1/charges,201,{IN_LEDGER},{COLUMN}\n");
    let wrong = line("lost-3").replace(",201,", ",2o1,");
    let strange = line("lost-3").replace(KEY, &format!("{KEY} no key"));
    let lines = [line("lost-3"), line("paid-1"), line("unused"), line("unused")].concat();
    let json = format!("{{\"key\":\"{KEY}\",\"card\":\"{COLUMN}\n");
    let one_route = ["--route", "pay", "--apply", "--note", "November"];
    for (text, code) in [
        (format!("{head}{wrong}"), 2),
        (format!("{head}{strange}"), 2),
        (format!("{head}{KEY},\"{COLUMN}"), 2),
        (json, 2),
        (format!("{head}{lines}"), 1),
    ] {
        let ledger = file(&text);
        world
            .records(TOKEN, &[&["reconcile", "--ledger", path(&ledger)], &one_route[..]].concat(), code)
            .await;
    }
    let decided = world.shown.last().expect("a report");
    assert!(contains(&decided.1, "applied executed"), "{}", String::from_utf8_lossy(&decided.1));
}

/// Looks for every secret in everything that was written and shown so far.
async fn look(world: &mut World) {
    let World { gateway, receiver, shown } = world;
    let connection = &mut Connection::open(gateway.admin).await;
    connection.send(request_bytes("GET", "/metrics", &[], b"")).await;
    shown.push(("the metrics".into(), connection.answer().await.body));
    shown.push(("the log".into(), gateway.log().into_bytes()));
    let told: Vec<String> = events(receiver).iter().map(Value::to_string).collect();
    shown.push(("the events".into(), told.concat().into_bytes()));
    let seal = String::from_utf8_lossy(SEAL);
    for (place, bytes) in shown.iter() {
        for secret in OTHERS.iter().chain(&RESPONSES).copied().chain([&*seal, &SECRET[6..]]) {
            assert!(!contains(bytes, secret), "{secret} is in {place}: {}", String::from_utf8_lossy(bytes));
        }
    }
    let files = files(&gateway.data());
    assert!(files.iter().any(|(_, bytes)| contains(bytes, STORED)), "the response that clients get is found");
    for (place, bytes) in files {
        for secret in OTHERS.iter().copied().chain([&*seal]) {
            assert!(!contains(&bytes, secret), "{secret} is in {place}");
        }
    }
}

/// Reads all files without their zeros, which no secret has and which fill much of the space.
fn files(directory: &Path) -> Vec<(String, Vec<u8>)> {
    let mut contents = Vec::new();
    for entry in std::fs::read_dir(directory).expect("a directory") {
        let path = entry.expect("an entry").path();
        match path.is_dir() {
            true => contents.extend(files(&path)),
            false => {
                let bytes = std::fs::read(&path).expect("a file");
                let bytes = bytes.into_iter().filter(|byte| *byte != 0).collect();
                contents.push((path.display().to_string(), bytes));
            }
        }
    }
    contents
}
