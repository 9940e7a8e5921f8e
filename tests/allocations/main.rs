//! Budgets of allocations: how often, and for how many bytes, the gateway allocates memory for one request on
//! a connection that is kept open.
//!
//! The gateway runs in this process, so that its allocator can count. Client and upstream have threads of
//! their own, which are not counted. Each count is the median over many requests after a warm-up. It depends
//! neither on the speed of the machine nor on tasks in the background.
//!
//! `cargo test --test allocations -- --nocapture` prints the counts. A count that is well below its budget is
//! a reason to lower the budget.
#![cfg(all(feature = "embedded", feature = "redis", feature = "postgres"))]

mod counting;
#[expect(dead_code, reason = "other tests use the other parts")]
#[path = "../servers/mod.rs"]
mod servers;
mod traffic;

use std::process::Command;

use self::counting::{Count, not_counted};
use self::servers::redis;
use self::traffic::{Client, start_gateway, start_upstream};

/// Number of requests before the first count, over all connections.
const WARM_UP: usize = 200;
/// Number of requests that are counted.
const COUNTED: usize = 301;
/// The variable that names the store of a process that counts.
const STORE: &str = "ONCEGATE_ALLOCATIONS_STORE";

/// The kinds of requests.
#[derive(Clone, Copy, Debug)]
enum Kind {
    /// A request without a key.
    Keyless,
    /// The first attempt of an operation.
    First,
    /// A later attempt, answered from the memory of the process.
    Replay,
}

impl Kind {
    fn key(self, number: usize) -> Option<String> {
        match self {
            Self::Keyless => None,
            Self::First => Some(format!("order-{number}")),
            Self::Replay => Some("order-0".into()),
        }
    }
}

/// Returns the median count of one request of this kind.
fn count(client: &mut Client, kind: Kind) -> Count {
    for number in 0..WARM_UP {
        client.send(kind.key(number).as_deref());
    }
    let counts = (0..COUNTED).map(|number| {
        let before = Count::now();
        client.send(kind.key(WARM_UP + number).as_deref());
        Count::now().since(before)
    });
    Count::median(counts.collect())
}

/// Compares the counts of requests of these kinds with their budgets: a number of allocations, and of bytes.
/// A process has one gateway, so each store is counted in a process of its own.
fn compare(store: &str, budgets: &[(Kind, u64, u64)]) {
    let name = store.split(':').next().unwrap_or_default();
    let this = std::env::current_exe().expect("this binary");
    let counting =
        Command::new(this).args(["counts", "--exact", "--ignored", "--nocapture"]).env(STORE, store).output();
    let output = String::from_utf8_lossy(&counting.expect("it runs").stdout).into_owned();
    for (kind, allocations, bytes) in budgets {
        let line = output.lines().find_map(|line| line.strip_prefix(&format!("{kind:?}: ")));
        let line = line.unwrap_or_else(|| panic!("{name} was not counted: {output}"));
        let counted: Vec<u64> = line.split(' ').map_while(|number| number.parse().ok()).collect();
        println!("{name}, {kind:?}: {} allocations, {} bytes", counted[0], counted[1]);
        assert!(
            counted[0] <= *allocations && counted[1] <= *bytes,
            "{name}, {kind:?}: {counted:?} for a request, more than {allocations} allocations or {bytes} bytes"
        );
    }
}

#[test]
#[ignore = "the other test starts it in a process of its own"]
fn counts() {
    not_counted();
    let store = std::env::var(STORE).expect("the store");
    let directory = tempfile::tempdir().expect("a directory");
    let address = start_gateway(directory.path(), &store, start_upstream());
    let mut client = Client::connect(address);
    for kind in [Kind::Keyless, Kind::First, Kind::Replay] {
        let Count { allocations, bytes } = count(&mut client, kind);
        println!("{kind:?}: {allocations} {bytes}");
    }
}

#[test]
fn each_kind_of_request_keeps_to_its_budget() {
    use Kind::{First, Keyless, Replay};
    compare("memory:", &[(Keyless, 42, 34_000), (First, 98, 57_500), (Replay, 46, 18_500)]);
    let directory = tempfile::tempdir().expect("a directory");
    let embedded = format!("embedded:{}", directory.path().join("data").display());
    compare(&embedded, &[(First, 178, 70_500)]);
    let server = redis::Server::start();
    let redis = format!("redis://127.0.0.1:{}", server.port);
    compare(&redis, &[(First, 150, 71_000), (Replay, 46, 18_500)]);
}
