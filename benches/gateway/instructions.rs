//! The instructions of a request, which do not depend on the machine's speed and load.

use std::time::{Duration, Instant};

use tokio::time::sleep;

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
/// Time for which a server is left alone, to count what it executes by itself.
const IDLE_TIME: Duration = Duration::from_secs(2);

/// The figures of one server and case.
pub struct Instructions {
    pub name: String,
    pub role: Role,
    pub case: Case,
    /// Instructions for each request, without those that the server executes by itself in the meantime. The
    /// meantime is long, because the server is slow.
    pub all: f64,
    /// The part that computes SHA-256.
    pub hashing: f64,
    /// Instructions in a second without requests.
    pub idle: f64,
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
        let mut idle = None;
        for case in Case::ALL.into_iter().filter(|case| plan::takes(role, *case)) {
            let mut errors = send(&contender, &mut connections, case, WARM_UP).await;
            counter.read();
            let idle = match idle {
                Some(idle) => idle,
                None => *idle.insert(while_idle(&mut counter).await),
            };
            let started = Instant::now();
            errors.extend(send(&contender, &mut connections, case, requests).await);
            let counted = counter.read();
            if let Some(error) = errors.first() {
                eprintln!("*** {}: left out, {} errors, such as {error} ***", contender.name, errors.len());
                continue;
            }
            let own = started.elapsed().as_secs_f64() * idle;
            all.push(Instructions {
                name: contender.name.clone(),
                role,
                case,
                all: (counted.all as f64 - own) / requests as f64,
                hashing: counted.hashing as f64 / requests as f64,
                idle,
            });
        }
        eprintln!("counted {}", contender.name);
    }
    all
}

/// Returns the number of instructions in a second without requests.
async fn while_idle(counter: &mut Counter) -> f64 {
    let started = Instant::now();
    sleep(IDLE_TIME).await;
    counter.read().all as f64 / started.elapsed().as_secs_f64()
}

/// Sends requests one at a time, and returns the errors.
async fn send(
    contender: &Contender,
    connections: &mut [Connection],
    case: Case,
    requests: usize,
) -> Vec<String> {
    let mut errors = Vec::new();
    for number in 0..requests {
        let connection = &mut connections[number % CONNECTIONS];
        errors.extend(ask(connection, contender, case).await.err());
    }
    errors
}
