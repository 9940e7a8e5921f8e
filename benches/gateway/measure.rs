//! The rounds of both loads.

use crate::arguments::Extent;
use crate::cases::Case;
use crate::contenders::{Reading, Role, Usage};
use crate::load::{self, Clients, Sample};
use crate::plan::{Group, Member, Plan};
use crate::upstream::Upstream;

/// Number of requests a second to each server of a group.
pub const RATE: u32 = 400;
/// Numbers of connections at the fixed rate, beside the number of the tables. With 1, all happens on one warm
/// thread of a server. With 128, each request finds the state of its connection cold.
const OTHER_CONNECTIONS: [usize; 2] = [1, 128];

/// The figures of one server in one round.
pub struct Slice {
    pub name: String,
    pub role: Role,
    pub case: Case,
    pub load: Load,
    /// Number of the group under this load.
    pub group: usize,
    /// Number of connections to the server.
    pub connections: usize,
    pub round: usize,
    pub sample: Sample,
    pub usage: Usage,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Load {
    FixedRate,
    Saturated,
}

/// Measures all groups once a round: first those of the fixed rate in all rounds, because saturated servers
/// leave work behind, such as compaction and vacuum.
pub async fn rounds(upstream: &Upstream, plan: &Plan, extent: &Extent) -> Vec<Slice> {
    let mut slices = Vec::new();
    for round in 0..extent.rounds {
        for (group, members) in plan.fixed_rate.iter().enumerate() {
            for connections in numbers_of_connections(extent) {
                let position = Position { load: Load::FixedRate, group, connections, round };
                slices.extend(measure_group(upstream, members, position, extent).await);
            }
        }
        report_progress(plan.fixed_rate.is_empty(), "fixed rate", round, extent);
    }
    for round in 0..extent.rounds {
        for (group, members) in plan.saturated.iter().enumerate() {
            let position = Position { load: Load::Saturated, group, connections: load::SATURATING, round };
            let mut order: Vec<&Member> = members.iter().collect();
            if round % 2 == 1 {
                // The order changes, so that no server always follows the same other one.
                order.reverse();
            }
            for member in order {
                slices.push(measure_one(upstream, member, position, extent).await);
            }
        }
        report_progress(plan.saturated.is_empty(), "saturated", round, extent);
    }
    slices
}

fn report_progress(is_skipped: bool, load: &str, round: usize, extent: &Extent) {
    if !is_skipped {
        eprintln!("{load}, round {} of {}", round + 1, extent.rounds);
    }
}

/// Returns the numbers of connections at the fixed rate, the least first.
fn numbers_of_connections(extent: &Extent) -> Vec<usize> {
    let mut numbers = vec![extent.connections];
    numbers.extend(OTHER_CONNECTIONS);
    numbers.sort_unstable();
    numbers.dedup();
    numbers
}

async fn measure_group(
    upstream: &Upstream,
    group: &Group,
    position: Position,
    extent: &Extent,
) -> Vec<Slice> {
    let clients = Clients::connect(group, position.connections).await;
    let executed = upstream.executions().await;
    let before = readings(group).await;
    let samples = clients.ask(RATE, extent.group).await;
    let usage = usages(group, before).await;
    let measured = group.iter().zip(samples.into_iter().zip(usage));
    let slices: Vec<Slice> =
        measured.map(|(member, (sample, usage))| position.slice(member, sample, usage)).collect();
    compare(upstream.executions().await - executed, &slices);
    slices
}

async fn measure_one(upstream: &Upstream, member: &Member, position: Position, extent: &Extent) -> Slice {
    let (contender, case) = member;
    let executed = upstream.executions().await;
    let before = Reading::before(contender).await;
    let sample = load::saturate(contender, *case, extent.slice).await;
    let usage = before.after(contender).await;
    let slice = position.slice(member, sample, usage);
    compare(upstream.executions().await - executed, std::slice::from_ref(&slice));
    slice
}

async fn readings(group: &Group) -> Vec<Reading> {
    let mut readings = Vec::new();
    for (contender, _) in group {
        readings.push(Reading::before(contender).await);
    }
    readings
}

async fn usages(group: &Group, before: Vec<Reading>) -> Vec<Usage> {
    let mut usages = Vec::new();
    for ((contender, _), before) in group.iter().zip(before) {
        usages.push(before.after(contender).await);
    }
    usages
}

/// The position of a slice.
#[derive(Clone, Copy)]
struct Position {
    load: Load,
    group: usize,
    connections: usize,
    round: usize,
}

impl Position {
    fn slice(self, (contender, case): &Member, sample: Sample, usage: Usage) -> Slice {
        if let Some(error) = sample.errors.first() {
            eprintln!("*** {}: {} errors, such as {error} ***", contender.name, sample.errors.len());
        }
        let Self { load, group, connections, round } = self;
        let (name, role) = (contender.name.clone(), contender.role);
        Slice { name, role, case: *case, load, group, connections, round, sample, usage }
    }
}

/// Warns if the upstream executed more or less than was answered.
fn compare(executed: u64, slices: &[Slice]) {
    let expected: u64 =
        slices.iter().filter(|slice| slice.case.executes()).map(|slice| slice.sample.done()).sum();
    if expected != executed && slices.iter().all(|slice| slice.sample.errors.is_empty()) {
        eprintln!("*** {}: {executed} executions for {expected} answers ***", slices[slices.len() - 1].name);
    }
}
