//! The instructions of a request, which do not depend on the machine's speed and load.

use crate::callgrind::{self, Counter};
use crate::cases::Case;
use crate::contenders::{self, Contender, ROLES, Role};
use crate::load::ask;
use crate::plan;
use crate::roles::Tool;
use crate::upstream::Upstream;
use crate::wire::Connection;

/// Number of connections, which are used in turn.
pub const CONNECTIONS: usize = 16;
/// Number of requests of each case before any are counted.
const WARM_UP: usize = 100;

/// The figures of one server and case.
pub struct Instructions {
    pub name: String,
    pub role: Role,
    pub case: Case,
    /// Instructions for each request, including those that the server executes by itself in the meantime.
    pub all: f64,
    /// The part that computes SHA-256.
    pub hashing: f64,
}

impl Instructions {
    /// Returns the instructions that a processor with instructions for SHA-256 needs as well.
    pub fn without_hashing(&self) -> f64 {
        self.all - self.hashing
    }
}

/// Starts each server under Callgrind, one after the other, and sends it requests one at a time.
pub async fn measure(upstream: &Upstream, requests: usize) -> Vec<Instructions> {
    if !callgrind::is_installed() {
        let package = callgrind::PACKAGE;
        eprintln!("\n*** {package} is not installed: no instructions are counted ***\n");
        return Vec::new();
    }
    let mut all = Vec::new();
    for role in ROLES.into_iter().filter(|role| !matches!(role, Role::Direct | Role::Logging)) {
        let Some(contender) = contenders::start(role, upstream, Tool::Callgrind).await else { continue };
        let mut counter = Counter::of(contender.pid());
        let mut connections = Vec::new();
        for _ in 0..CONNECTIONS {
            connections.push(contender.connect().await);
        }
        for case in Case::ALL.into_iter().filter(|case| plan::takes(role, *case)) {
            send(&contender, &mut connections, case, WARM_UP).await;
            counter.read();
            send(&contender, &mut connections, case, requests).await;
            let counted = counter.read();
            let each = |instructions: u64| instructions as f64 / requests as f64;
            let name = contender.name.clone();
            all.push(Instructions {
                name,
                role,
                case,
                all: each(counted.all),
                hashing: each(counted.hashing),
            });
        }
        eprintln!("counted {}", contender.name);
    }
    all
}

async fn send(contender: &Contender, connections: &mut [Connection], case: Case, requests: usize) {
    for number in 0..requests {
        let connection = &mut connections[number % CONNECTIONS];
        ask(connection, contender, case).await.expect("an answer");
    }
}
