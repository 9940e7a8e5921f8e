//! Planted errors among many payments, on Postgres and on Redis.

use std::io::Write;
use std::process::Stdio;
use std::sync::Arc;
use std::time::{Duration, Instant};

use oncegate::store::postgres::PostgresStore;
use oncegate::store::redis::{Address, RedisStore, Servers};
use oncegate::store::{Ledger, Store, Terms};
use oncegate::workers::Workers;
use serde_json::{Value, json};
use tempfile::NamedTempFile;
use tokio::process::Command;

use crate::harness::{Gateway, Settings};
use crate::loader::{id, line, load};
use crate::servers;

/// Time between two looks at the memory of a process.
const LOOK: Duration = Duration::from_millis(20);

/// Operations with an unknown outcome are the first: the ledger lacks the first [`UNDECIDED`] of them.
const UNKNOWN: u64 = 100;
const UNDECIDED: u64 = 3;
/// Number of an operation that was declared not executed, and is in the ledger.
const CONTRADICTION: u64 = 7;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn thousands_of_records_on_postgres() {
    postgres(3000).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn thousands_of_records_on_redis() {
    redis(3000).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "it takes minutes: by hand, before a release and after a change of reconciling"]
async fn million() {
    let count = std::env::var("ONCEGATE_RECORDS").ok().and_then(|count| count.parse().ok());
    let count = count.unwrap_or(1_000_000);
    println!("{HEAD}");
    println!("postgres  {}", postgres(count).await);
    println!("redis     {}", redis(count).await);
}

async fn postgres(count: u64) -> String {
    let server = servers::postgres::shared();
    let schema = servers::postgres::schema();
    let url =
        format!("url = \"postgres://oncegate@127.0.0.1:{}/postgres\"\nschema = \"{schema}\"", server.port);
    let gateway = gateway(&url).await;
    let settings = oncegate::store::postgres::Settings::of(vec![server.options()], schema);
    let store = PostgresStore::open(settings, terms()).await.expect("a store");
    close_books(&gateway, Arc::new(store), count).await
}

async fn redis(count: u64) -> String {
    let server = servers::redis::Server::start();
    let gateway = gateway(&format!("url = \"redis://127.0.0.1:{}\"", server.port)).await;
    let address = Address::Tcp("127.0.0.1".into(), server.port);
    let settings = oncegate::store::redis::Settings::of(Servers::One(address));
    let store = RedisStore::open(settings, terms()).await.expect("a store");
    close_books(&gateway, Arc::new(store), count).await
}

async fn gateway(store: &str) -> Gateway {
    let upstream = "127.0.0.1:1".parse().expect("an address");
    Gateway::before(Settings { address: Some(upstream), ..Settings::default() }.store(store)).await
}

fn terms() -> Terms {
    Terms { workers: Workers::start().expect("threads"), ..Terms::new(Duration::from_secs(30)) }
}

const HEAD: &str = "store     load     report  CLI peak  gateway before, peak  apply    CLI peak";

/// Loads the store, and reconciles twice: to look, and to apply. Returns the figures.
async fn close_books(gateway: &Gateway, store: Arc<dyn Store>, count: u64) -> String {
    let began = Instant::now();
    load(&Ledger::new(store, Duration::from_secs(60)), count, UNKNOWN).await;
    let loaded = began.elapsed();
    let cleared = json!({ "executed": false, "note": "never arrived", "force": true });
    let path = format!("/v1/records/{}/resolve", id(CONTRADICTION));
    assert_eq!(gateway.admin_post(&path, &cleared).await.status, 200);
    let ledger = ledger(count);

    let before = gateway.memory();
    let look = run(gateway, &ledger, &[]).await;
    look.finds_what_was_planted(count, UNKNOWN - UNDECIDED - 1);
    assert_eq!(look.report["applied"], Value::Null);
    let apply = run(gateway, &ledger, &["--apply"]).await;
    assert_eq!(
        apply.report["applied"],
        json!({ "executed": UNKNOWN - UNDECIDED - 1, "not_executed": 0, "refused": 0 }),
        "{}",
        apply.report["notes"]
    );
    let again = run(gateway, &ledger, &[]).await;
    again.finds_what_was_planted(count, 0);
    format!(
        "{:>5.0} s  {:>6.1} s  {:>5} MB  {:>6} MB, {:>5} MB  {:>6.1} s  {:>5} MB",
        loaded.as_secs_f64(),
        look.took.as_secs_f64(),
        look.peak / MB,
        before / MB,
        look.gateway_peak / MB,
        apply.took.as_secs_f64(),
        apply.peak / MB,
    )
}

const MB: u64 = 1_000_000;

/// Writes a ledger with a line for each operation, except the undecided ones, and with a second line for the
/// last one.
fn ledger(count: u64) -> NamedTempFile {
    let mut file = NamedTempFile::new().expect("a temporary file");
    let mut text = String::from("payment,amount,currency,execution,status,body\n");
    for number in (UNDECIDED..count).chain([count - 1]) {
        line(&mut text, number, 1);
        if text.len() > 1 << 20 {
            file.write_all(text.as_bytes()).expect("it can be written");
            text.clear();
        }
    }
    file.write_all(text.as_bytes()).expect("it can be written");
    file
}

struct Run {
    report: Value,
    took: Duration,
    /// Most memory of the command, in bytes.
    peak: u64,
    /// Most memory of the gateway meanwhile, in bytes.
    gateway_peak: u64,
}

impl Run {
    #[track_caller]
    fn finds_what_was_planted(&self, count: u64, executed: u64) {
        let Self { report, .. } = self;
        let expected = json!({
            "double": 1, "contradiction": 1, "expired": 0, "error-stored": 0, "missing": 0, "executed": executed, "not-executed": 0,
        });
        assert_eq!(report["counts"], expected, "{report:#}");
        let tally = &report["tally"];
        assert_eq!((&tally["undecided"], &tally["records"]), (&json!(UNDECIDED), &json!(count)), "{tally}");
        assert_eq!(report["lines"], count - UNDECIDED + 1);
        let of_kind = |kind: &str| {
            let differences = report["differences"].as_array().expect("differences");
            differences.iter().find(|difference| difference["kind"] == kind).expect("a difference")["record"]
                .clone()
        };
        assert_eq!(of_kind("double"), id(count - 1).to_string());
        assert_eq!(of_kind("contradiction"), id(CONTRADICTION).to_string());
    }
}

async fn run(gateway: &Gateway, ledger: &NamedTempFile, arguments: &[&str]) -> Run {
    let began = Instant::now();
    let child = Command::new(env!("CARGO_BIN_EXE_oncegate"))
        .args(["records", "reconcile", "--json", "--admin", &format!("http://{}", gateway.admin), "--ledger"])
        .arg(ledger.path())
        .args(arguments)
        .env_remove("ONCEGATE_ADMIN_TOKEN")
        .stdout(Stdio::piped())
        .stderr(Stdio::inherit())
        .spawn()
        .expect("the command starts");
    let status = format!("/proc/{}/status", child.id().expect("it runs"));
    let ended = child.wait_with_output();
    tokio::pin!(ended);
    let (mut peak, mut gateway_peak) = (0, 0);
    let output = loop {
        tokio::select! {
            output = &mut ended => break output.expect("its output"),
            () = tokio::time::sleep(LOOK) => {
                peak = high_water(&status).unwrap_or(peak);
                gateway_peak = gateway_peak.max(gateway.memory());
            }
        }
    };
    assert_eq!(output.status.code(), Some(1), "a double was found");
    let report = serde_json::from_slice(&output.stdout).expect("JSON");
    Run { report, took: began.elapsed(), peak, gateway_peak }
}

/// Reads the most memory that a process ever had, in bytes.
fn high_water(status: &str) -> Option<u64> {
    let status = std::fs::read_to_string(status).ok()?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"))?;
    Some(1024 * line.trim().trim_end_matches(" kB").parse::<u64>().ok()?)
}
