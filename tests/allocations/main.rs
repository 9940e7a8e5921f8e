//! Budgets of allocations: how often, and for how many bytes, the gateway allocates memory for one request on
//! a connection that is kept open.
//!
//! The gateway runs in this process, so that its allocator can count. Client and upstream have threads of
//! their own, which are not counted. Each count is the median over many requests after a warm-up. It depends
//! neither on the speed of the machine nor on tasks in the background.
//!
//! `cargo test --test allocations -- --nocapture` prints the counts. A count that is well below its budget is
//! a reason to lower the budget.

mod counting;
#[expect(dead_code, reason = "other tests use the other parts")]
#[path = "../servers/mod.rs"]
mod servers;
mod traffic;

use std::path::Path;

use self::counting::{Count, not_counted};
use self::servers::redis;
use self::traffic::{Client, start_gateway, start_upstream};

/// Number of requests before the first count, on each of the connections in turn.
const WARM_UP: usize = 200;
/// Number of requests that are counted.
const COUNTED: usize = 301;

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

/// Counts requests of these kinds with this store, and compares each with its budget: a number of allocations,
/// and of bytes.
fn compare(name: &str, store: &str, budgets: &[(Kind, u64, u64)]) {
    let directory = tempfile::tempdir().expect("a directory");
    let address = start_gateway(directory.path(), store, start_upstream());
    let mut client = Client::connect(address);
    for (kind, allocations, bytes) in budgets {
        let counted = count(&mut client, *kind);
        println!("{name}, {kind:?}: {} allocations, {} bytes", counted.allocations, counted.bytes);
        assert!(
            counted.allocations <= *allocations && counted.bytes <= *bytes,
            "{name}, {kind:?}: {counted:?} for a request, more than {allocations} allocations or {bytes} bytes"
        );
    }
}

fn embedded(directory: &Path) -> String {
    format!("embedded:{}", directory.join("data").display())
}

/// All stores, one after another: the allocator counts for the whole process.
#[test]
fn each_kind_of_request_keeps_to_its_budget() {
    not_counted();
    compare(
        "memory",
        "memory:",
        &[(Kind::Keyless, 999, 99_999), (Kind::First, 999, 99_999), (Kind::Replay, 999, 99_999)],
    );
    let directory = tempfile::tempdir().expect("a directory");
    compare("embedded", &embedded(directory.path()), &[(Kind::First, 999, 99_999)]);
    let server = redis::Server::start();
    let url = format!("redis://127.0.0.1:{}", server.port);
    compare("Redis", &url, &[(Kind::First, 999, 99_999), (Kind::Replay, 999, 99_999)]);
}
