//! The rounds of both loads.

use std::rc::Rc;

use crate::Extent;
use crate::cases::Case;
use crate::contenders::{Contender, Reading, Role, Used};
use crate::load::{self, Sample};
use crate::plan::Group;
use crate::upstream::Upstream;

/// Requests a second to each server of a group.
pub const RATE: u32 = 400;

/// What one server showed in one round.
pub struct Slice {
    pub name: String,
    pub role: Role,
    pub case: Case,
    pub load: Load,
    pub round: usize,
    pub sample: Sample,
    pub used: Used,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Load {
    /// In the group of this number.
    FixedRate(usize),
    Saturated,
}

/// Measures everything once a round.
pub async fn rounds(upstream: &Upstream, groups: &[Group], singles: &Group, extent: &Extent) -> Vec<Slice> {
    let mut slices = Vec::new();
    for round in 0..extent.rounds {
        for (number, group) in groups.iter().enumerate() {
            let executed = upstream.executions().await;
            let before = readings(group).await;
            let samples = load::at_rate(group, RATE, extent.group).await;
            let used = uses(group, before).await;
            let measured = group.iter().zip(samples.into_iter().zip(used));
            let from = slices.len();
            slices.extend(measured.map(|((contender, case), (sample, used))| {
                slice(contender, *case, Load::FixedRate(number), round, sample, used)
            }));
            compare(upstream.executions().await - executed, &slices[from..]);
        }
        for (contender, case) in singles {
            let executed = upstream.executions().await;
            let before = Reading::before(contender).await;
            let sample = load::saturate(contender, *case, extent.slice).await;
            let used = before.after(contender).await;
            slices.push(slice(contender, *case, Load::Saturated, round, sample, used));
            compare(upstream.executions().await - executed, &slices[slices.len() - 1..]);
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

fn slice(
    contender: &Rc<Contender>,
    case: Case,
    load: Load,
    round: usize,
    sample: Sample,
    used: Used,
) -> Slice {
    if let Some(error) = sample.errors.first() {
        eprintln!("*** {}: {} errors, such as {error} ***", contender.name, sample.errors.len());
    }
    Slice { name: contender.name.clone(), role: contender.role, case, load, round, sample, used }
}

/// Whether the upstream executed what was answered, and nothing else.
fn compare(executed: u64, slices: &[Slice]) {
    let asked: u64 =
        slices.iter().filter(|slice| slice.case.executes()).map(|slice| slice.sample.done()).sum();
    if asked != executed && slices.iter().all(|slice| slice.sample.errors.is_empty()) {
        eprintln!("*** {}: {executed} executions for {asked} answers ***", slices[slices.len() - 1].name);
    }
}
