//! The resources that a server and its store use during a measurement.

use std::time::Duration;

use crate::cpu::Cpu;

use super::{Backing, Contender};

/// The counters at one moment.
pub struct Reading {
    own: Cpu,
    store: Option<Cpu>,
    turns: Option<u64>,
}

/// The use between two moments.
#[derive(Clone, Copy, Debug)]
pub struct Usage {
    pub own_cpu: Duration,
    pub store_cpu: Option<Duration>,
    /// Accesses to the store, as [`Backing::turns`] counts them.
    pub turns: Option<u64>,
}

impl Reading {
    /// Starts counting. The counting itself is not counted.
    pub async fn before(contender: &Contender) -> Self {
        let turns = turns(contender).await;
        Self { turns, ..Self::without_turns(contender) }
    }

    /// Returns the use since this reading.
    pub async fn after(self, contender: &Contender) -> Usage {
        let now = Self::without_turns(contender);
        let store_cpu = now.store.zip(self.store).map(|(now, before)| now.since(&before));
        let turns = turns(contender).await.zip(self.turns).map(|(now, before)| now.saturating_sub(before));
        Usage { own_cpu: now.own.since(&self.own), store_cpu, turns }
    }

    fn without_turns(contender: &Contender) -> Self {
        let store = contender.backing.as_ref().and_then(Backing::pid).map(Cpu::of);
        Self { own: Cpu::of(contender.pid), store, turns: None }
    }
}

async fn turns(contender: &Contender) -> Option<u64> {
    contender.backing.as_ref()?.turns().await
}
