//! The cost of the release binary before its first request: the time to start, and memory.

use std::time::Duration;

use tokio::time::sleep;

use crate::contenders::oncegate::{self, Log};
use crate::contenders::{Backing, KINDS};
use crate::cpu::resident_kib;
use crate::roles::Tool;
use crate::upstream::Upstream;

/// Time for which the gateway is left alone before its memory is read.
const IDLE_TIME: Duration = Duration::from_secs(1);

/// The figures of one store.
pub struct Idle {
    pub store: &'static str,
    /// Time from the start of the process to the first connection taken; sorted.
    pub ready: Vec<Duration>,
    /// Resident memory; sorted.
    pub resident_kib: Vec<u64>,
}

/// Starts the gateway again and again on each store. After the first start, the store holds the data
/// that this start made.
pub async fn measure(upstream: &Upstream, starts: usize) -> Vec<Idle> {
    let mut all = Vec::new();
    for kind in KINDS {
        let backing = Backing::start(kind).await;
        let mut idle = Idle { store: kind.name(), ready: Vec::new(), resident_kib: Vec::new() };
        for _ in 0..starts {
            let gateway = oncegate::start(upstream.address, &backing.url(), Log::Quiet, Tool::None);
            sleep(IDLE_TIME).await;
            idle.ready.push(gateway.took);
            idle.resident_kib.push(resident_kib(gateway.process.pid()));
        }
        idle.ready.sort();
        idle.resident_kib.sort();
        all.push(idle);
    }
    all
}
