//! The rounds of one server in one case, put together.

use std::time::Duration;

use crate::cases::Case;
use crate::contenders::Role;
use crate::load::quantile_of;
use crate::measure::{Load, Slice};
use crate::plan;

/// A row of a table.
pub struct Row {
    pub name: String,
    pub role: Role,
    pub case: Case,
    pub load: Load,
    pub group: usize,
    pub connections: usize,
    pub per_second: Spread,
    /// CPU of the server. There is none for the upstream, which works for all servers at once.
    pub own_cpu_us: Option<Spread>,
    pub store_cpu_us: Option<Spread>,
    pub turns: Option<Spread>,
    /// A multiple of the floor's figure: of CPU at a fixed rate, of throughput when saturated.
    pub to_floor: Option<Spread>,
    /// The multiple of nginx's figure without a key.
    pub to_nginx: Option<Spread>,
    /// The multiple of the figure of nginx with a script, for the same case.
    pub to_lua: Option<Spread>,
    /// The multiple of the CPU of the floor's store.
    pub store_to_floor: Option<Spread>,
    /// The multiple of the server's own CPU over the fewest connections.
    pub to_fewest: Option<Spread>,
    /// Latency added to the median of the upstream asked directly, in µs.
    pub added_p50_us: Option<Spread>,
    /// Quantiles over all rounds.
    pub quantiles: [Duration; 3],
    pub errors: usize,
}

/// The median round, and the extremes.
#[derive(Clone, Copy)]
pub struct Spread {
    pub median: f64,
    pub min: f64,
    pub max: f64,
}

impl Spread {
    /// Returns the spread of the values, or none if there are none.
    pub fn of(values: impl IntoIterator<Item = Option<f64>>) -> Option<Self> {
        let mut values: Vec<f64> = values.into_iter().flatten().collect();
        values.sort_by(f64::total_cmp);
        let (min, max) = (*values.first()?, *values.last()?);
        let median = f64::midpoint(values[(values.len() - 1) / 2], values[values.len() / 2]);
        Some(Self { median, min, max })
    }
}

/// Returns a row for each server, case and load, in the order in which they were measured.
pub fn rows(slices: &[Slice]) -> Vec<Row> {
    let first = slices.iter().filter(|slice| slice.round == 0);
    first.map(|slice| row(slice, slices)).collect()
}

fn row(first: &Slice, slices: &[Slice]) -> Row {
    let same =
        |slice: &&Slice| is_beside(slice, first) && (slice.role, slice.case) == (first.role, first.case);
    let rounds: Vec<&Slice> = slices.iter().filter(same).collect();
    let spread =
        |figure: &dyn Fn(&Slice) -> Option<f64>| Spread::of(rounds.iter().map(|slice| figure(slice)));
    let ratio = |to: Role| {
        spread(&|slice| Some(figure(slice)? / figure(counterpart(slices, slice, to)?)?))
            .filter(|_| first.role != to && first.role != Role::Direct)
    };
    let mut latencies: Vec<Duration> =
        rounds.iter().flat_map(|slice| slice.sample.latencies.iter().copied()).collect();
    latencies.sort();
    Row {
        name: first.name.clone(),
        role: first.role,
        case: first.case,
        load: first.load,
        group: first.group,
        connections: first.connections,
        per_second: spread(&|slice| Some(slice.sample.per_second())).expect("a round"),
        own_cpu_us: spread(&own_cpu_us),
        store_cpu_us: spread(&store_cpu_us),
        turns: spread(&|slice| Some(each(slice, slice.usage.turns? as f64))),
        to_floor: plan::floors(first.role, first.case).into_iter().find_map(ratio),
        to_nginx: ratio(Role::Nginx),
        to_lua: ratio(Role::NginxLua).filter(|_| first.case != Case::NoKey),
        store_to_floor: spread(&|slice| {
            let floor = counterpart(slices, slice, plan::floor_of_store(slice.role)?)?;
            Some(store_cpu_us(slice)? / store_cpu_us(floor)?)
        }),
        to_fewest: spread(&|slice| Some(own_cpu_us(slice)? / own_cpu_us(over_fewest(slices, slice)?)?)),
        added_p50_us: spread(&|slice| {
            Some(p50_us(slice) - p50_us(counterpart(slices, slice, Role::Direct)?))
        })
        .filter(|_| first.role != Role::Direct && first.load != Load::Saturated),
        quantiles: [0.5, 0.99, 0.999].map(|quantile| quantile_of(&latencies, quantile)),
        errors: rounds.iter().map(|slice| slice.sample.errors.len()).sum(),
    }
}

/// Tells whether two slices are of the same group and number of connections.
fn is_beside(one: &Slice, other: &Slice) -> bool {
    (one.load, one.group, one.connections) == (other.load, other.group, other.connections)
}

/// Returns the slice of another server in the same group and round.
fn counterpart<'a>(slices: &'a [Slice], slice: &Slice, role: Role) -> Option<&'a Slice> {
    let mut beside = slices.iter().filter(|other| is_beside(other, slice) && other.round == slice.round);
    beside.find(|other| other.role == role)
}

/// Returns the slice of the same server, group and round over the fewest connections, if they were fewer.
fn over_fewest<'a>(slices: &'a [Slice], slice: &Slice) -> Option<&'a Slice> {
    let same = slices.iter().filter(|other| {
        (other.load, other.group, other.round, other.role)
            == (slice.load, slice.group, slice.round, slice.role)
    });
    same.min_by_key(|other| other.connections).filter(|other| other.connections < slice.connections)
}

/// Returns the figure that is compared under this load.
fn figure(slice: &Slice) -> Option<f64> {
    match slice.load {
        Load::FixedRate => own_cpu_us(slice),
        Load::Saturated => Some(slice.sample.per_second()),
    }
}

pub fn own_cpu_us(slice: &Slice) -> Option<f64> {
    (slice.role != Role::Direct).then(|| each(slice, slice.usage.own_cpu.as_secs_f64() * 1e6))
}

fn store_cpu_us(slice: &Slice) -> Option<f64> {
    Some(each(slice, slice.usage.store_cpu?.as_secs_f64() * 1e6))
}

pub fn each(slice: &Slice, all: f64) -> f64 {
    all / slice.sample.done().max(1) as f64
}

fn p50_us(slice: &Slice) -> f64 {
    quantile_of(&slice.sample.latencies, 0.5).as_secs_f64() * 1e6
}
