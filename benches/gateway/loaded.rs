//! The latency that a server adds at seven tenths of its capacity.

use std::rc::Rc;
use std::time::Duration;

use crate::arguments::Extent;
use crate::cases::Case;
use crate::contenders::{Contender, Role};
use crate::load::{self, Clients, SATURATING, quantile_of};

/// Share of the throughput that the server reaches with 64 connections that ask again at once.
const SHARE: f64 = 0.7;

/// The figures of one server.
pub struct Loaded {
    pub name: String,
    pub case: Case,
    pub rounds: Vec<Round>,
}

/// The latencies of one server, and of the upstream asked directly after it at the same rate.
pub struct Round {
    /// Number of requests a second.
    pub rate: u32,
    pub p50: Duration,
    pub p99: Duration,
    pub direct_p50: Duration,
    pub direct_p99: Duration,
    pub errors: usize,
}

impl Round {
    /// Returns the added median latency in microseconds, the unit of all quantiles here.
    pub fn added_p50_us(&self) -> f64 {
        (self.p50.as_secs_f64() - self.direct_p50.as_secs_f64()) * 1e6
    }

    pub fn added_p99_us(&self) -> f64 {
        (self.p99.as_secs_f64() - self.direct_p99.as_secs_f64()) * 1e6
    }
}

/// Measures first attempts on each store, and requests through nginx, the servers in turn.
pub async fn measure(contenders: &[Rc<Contender>], extent: &Extent) -> Vec<Loaded> {
    let direct = contenders.iter().find(|contender| contender.role == Role::Direct);
    let direct = Rc::clone(direct.expect("it is always there"));
    let members = contenders.iter().filter_map(|contender| {
        let case = match contender.role {
            Role::Nginx => Case::NoKey,
            Role::Oncegate(_) => Case::First,
            _ => return None,
        };
        Some((Rc::clone(contender), Loaded { name: contender.name.clone(), case, rounds: Vec::new() }))
    });
    let mut members: Vec<_> = members.collect();
    for _ in 0..extent.rounds {
        for (contender, result) in &mut members {
            result.rounds.push(round(contender, result.case, &direct, extent).await);
        }
    }
    members.into_iter().map(|(_, result)| result).collect()
}

async fn round(contender: &Rc<Contender>, case: Case, direct: &Rc<Contender>, extent: &Extent) -> Round {
    let capacity = load::saturate(contender, case, extent.slice).await.per_second();
    let rate = (capacity * SHARE).max(1.0) as u32;
    let member = [(Rc::clone(contender), case)];
    let reference = [(Rc::clone(direct), Case::NoKey)];
    let through = Clients::connect(&member, SATURATING).await.ask(rate, extent.slice).await.swap_remove(0);
    let reference =
        Clients::connect(&reference, SATURATING).await.ask(rate, extent.slice).await.swap_remove(0);
    Round {
        rate,
        p50: quantile_of(&through.latencies, 0.5),
        p99: quantile_of(&through.latencies, 0.99),
        direct_p50: quantile_of(&reference.latencies, 0.5),
        direct_p99: quantile_of(&reference.latencies, 0.99),
        errors: through.errors.len() + reference.errors.len(),
    }
}
