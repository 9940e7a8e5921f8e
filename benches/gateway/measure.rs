//! The rounds of both loads.

use crate::Extent;
use crate::cases::Case;
use crate::contenders::{Reading, Role, Used};
use crate::load::{self, Sample};
use crate::plan::{Group, Member, Plan};
use crate::upstream::Upstream;

/// Requests a second to each server of a group.
pub const RATE: u32 = 400;

/// What one server showed in one round.
pub struct Slice {
    pub name: String,
    pub role: Role,
    pub case: Case,
    pub load: Load,
    /// Which of the groups under this load.
    pub group: usize,
    pub round: usize,
    pub sample: Sample,
    pub used: Used,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Load {
    FixedRate,
    Saturated,
}

/// Measures everything once a round.
pub async fn rounds(upstream: &Upstream, plan: &Plan, extent: &Extent) -> Vec<Slice> {
    let mut slices = Vec::new();
    for round in 0..extent.rounds {
        for (number, group) in plan.fixed_rate.iter().enumerate() {
            let executed = upstream.executions().await;
            let before = readings(group).await;
            let samples = load::at_rate(group, RATE, extent.group).await;
            let used = uses(group, before).await;
            let from = slices.len();
            let at = Place { load: Load::FixedRate, group: number, round };
            let measured = group.iter().zip(samples.into_iter().zip(used));
            slices.extend(measured.map(|(member, (sample, used))| at.slice(member, sample, used)));
            compare(upstream.executions().await - executed, &slices[from..]);
        }
        for (number, group) in plan.saturated.iter().enumerate() {
            let at = Place { load: Load::Saturated, group: number, round };
            for index in 0..group.len() {
                // Every second round runs backwards, so that nobody always follows the same one.
                let index = if round % 2 == 0 { index } else { group.len() - 1 - index };
                let (contender, case) = &group[index];
                let executed = upstream.executions().await;
                let before = Reading::before(contender).await;
                let sample = load::saturate(contender, *case, extent.slice).await;
                let used = before.after(contender).await;
                slices.push(at.slice(&group[index], sample, used));
                compare(upstream.executions().await - executed, &slices[slices.len() - 1..]);
            }
        }
        eprintln!("round {} of {}", round + 1, extent.rounds);
    }
    slices
}

async fn readings(group: &Group) -> Vec<Reading> {
    let mut readings = Vec::new();
    for (contender, _) in group {
        readings.push(Reading::before(contender).await);
    }
    readings
}

async fn uses(group: &Group, before: Vec<Reading>) -> Vec<Used> {
    let mut uses = Vec::new();
    for ((contender, _), before) in group.iter().zip(before) {
        uses.push(before.after(contender).await);
    }
    uses
}

/// Where a slice belongs.
#[derive(Clone, Copy)]
struct Place {
    load: Load,
    group: usize,
    round: usize,
}

impl Place {
    fn slice(self, (contender, case): &Member, sample: Sample, used: Used) -> Slice {
        if let Some(error) = sample.errors.first() {
            eprintln!("*** {}: {} errors, such as {error} ***", contender.name, sample.errors.len());
        }
        let Self { load, group, round } = self;
        let (name, role) = (contender.name.clone(), contender.role);
        Slice { name, role, case: *case, load, group, round, sample, used }
    }
}

/// Whether the upstream executed what was answered, and nothing else.
fn compare(executed: u64, slices: &[Slice]) {
    let asked: u64 =
        slices.iter().filter(|slice| slice.case.executes()).map(|slice| slice.sample.done()).sum();
    if asked != executed && slices.iter().all(|slice| slice.sample.errors.is_empty()) {
        eprintln!("*** {}: {executed} executions for {asked} answers ***", slices[slices.len() - 1].name);
    }
}
