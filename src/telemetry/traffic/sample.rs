//! The counts that the hour keeps, read from the text of the metrics.

use std::collections::BTreeMap;

use super::durations::Durations;

/// Counts of all routes together.
#[derive(Clone, Debug, Default)]
pub struct Sample {
    /// Number of requests.
    pub requests: u64,
    /// Number of answers from a record.
    pub replays: u64,
    /// Number of executions that ended.
    pub executions: u64,
    /// Number of duplicates by arrival.
    pub duplicates: BTreeMap<String, u64>,
    /// Number of outcomes that became unknown, by reason.
    pub unknown: BTreeMap<String, u64>,
    /// Number of unknown outcomes that were decided, by what decided them.
    pub settled: BTreeMap<String, u64>,
    /// Executions running now.
    pub in_flight: u64,
    /// Unknown records now, as the gateway has last counted them.
    pub unknown_records: u64,
    /// Durations of requests.
    pub request: Durations,
    /// Times that this gateway and its store added to requests that ran an execution.
    pub added: Durations,
    /// Durations of calls to upstreams.
    pub upstream: Durations,
    /// Durations of the store's primitives.
    pub store: Durations,
    /// Times from the first attempt to a duplicate.
    pub duplicate_age: Durations,
}

impl Sample {
    /// Reads the metrics from their text in the older Prometheus format.
    #[must_use]
    pub fn read(metrics: &str) -> Self {
        let mut sample = Self::default();
        for line in metrics.lines() {
            if let Some(series) = Series::read(line) {
                sample.take(&series);
            }
        }
        for durations in sample.durations() {
            *durations = std::mem::take(durations).into_parts();
        }
        sample
    }

    fn durations(&mut self) -> [&mut Durations; 5] {
        [&mut self.request, &mut self.added, &mut self.upstream, &mut self.store, &mut self.duplicate_age]
    }

    fn take(&mut self, series: &Series<'_>) {
        let count = series.value as u64;
        let keyed = |counts: &mut BTreeMap<String, u64>, label| {
            let key = series.label(label).unwrap_or_default();
            *counts.entry(key.to_owned()).or_default() += count;
        };
        match series.name {
            "requests_total" => {
                self.requests += count;
                if series.label("outcome") == Some("replayed") {
                    self.replays += count;
                }
            }
            "executions_total" => self.executions += count,
            "duplicates_total" => keyed(&mut self.duplicates, "arrival"),
            "unknown_total" => keyed(&mut self.unknown, "reason"),
            "settled_total" => keyed(&mut self.settled, "by"),
            "executions_in_flight" => self.in_flight += count,
            "unknown_records" => self.unknown_records += count,
            _ => self.take_duration(series),
        }
    }

    fn take_duration(&mut self, series: &Series<'_>) {
        let Some(family) = series.name.strip_suffix("_bucket") else { return };
        let bound = series.label("le").and_then(|bound| bound.parse().ok()).unwrap_or(f64::INFINITY);
        let take = |durations: &mut Durations| durations.add(bound, series.value as u64);
        match family {
            "request_duration_seconds" => take(&mut self.request),
            "added_duration_seconds" => take(&mut self.added),
            "upstream_duration_seconds" => take(&mut self.upstream),
            "store_duration_seconds" => take(&mut self.store),
            "duplicate_age_seconds" => take(&mut self.duplicate_age),
            _ => {}
        }
    }

    /// Returns the counts since an earlier sample, with the present gauges.
    #[must_use]
    pub fn since(&self, earlier: &Self) -> Self {
        let less = |now: &Durations, before: &Durations| now.combined(before, u64::saturating_sub);
        Self {
            requests: self.requests.saturating_sub(earlier.requests),
            replays: self.replays.saturating_sub(earlier.replays),
            executions: self.executions.saturating_sub(earlier.executions),
            duplicates: grown(&self.duplicates, &earlier.duplicates),
            unknown: grown(&self.unknown, &earlier.unknown),
            settled: grown(&self.settled, &earlier.settled),
            in_flight: self.in_flight,
            unknown_records: self.unknown_records,
            request: less(&self.request, &earlier.request),
            added: less(&self.added, &earlier.added),
            upstream: less(&self.upstream, &earlier.upstream),
            store: less(&self.store, &earlier.store),
            duplicate_age: less(&self.duplicate_age, &earlier.duplicate_age),
        }
    }

    /// Returns the counts of this sample and of an earlier interval together, with the gauges of this one.
    #[must_use]
    pub fn plus(&self, other: &Self) -> Self {
        let more = |one: &Durations, other: &Durations| one.combined(other, u64::saturating_add);
        let keyed = |one: &BTreeMap<String, u64>, other: &BTreeMap<String, u64>| {
            let mut sum = one.clone();
            other.iter().for_each(|(key, count)| *sum.entry(key.clone()).or_default() += count);
            sum
        };
        Self {
            requests: self.requests + other.requests,
            replays: self.replays + other.replays,
            executions: self.executions + other.executions,
            duplicates: keyed(&self.duplicates, &other.duplicates),
            unknown: keyed(&self.unknown, &other.unknown),
            settled: keyed(&self.settled, &other.settled),
            in_flight: self.in_flight,
            unknown_records: self.unknown_records,
            request: more(&self.request, &other.request),
            added: more(&self.added, &other.added),
            upstream: more(&self.upstream, &other.upstream),
            store: more(&self.store, &other.store),
            duplicate_age: more(&self.duplicate_age, &other.duplicate_age),
        }
    }
}

/// Subtracts the counts of an earlier sample, key by key. Leaves out what did not grow.
fn grown(now: &BTreeMap<String, u64>, before: &BTreeMap<String, u64>) -> BTreeMap<String, u64> {
    let growth = |(key, count): (&String, &u64)| {
        let grown = count.saturating_sub(before.get(key).copied().unwrap_or(0));
        (grown > 0).then(|| (key.clone(), grown))
    };
    now.iter().filter_map(growth).collect()
}

/// A line of the metrics.
struct Series<'a> {
    /// Name without the prefix of the program.
    name: &'a str,
    labels: &'a str,
    value: f64,
}

impl<'a> Series<'a> {
    fn read(line: &'a str) -> Option<Self> {
        let (series, value) = line.strip_prefix("oncegate_")?.rsplit_once(' ')?;
        let (name, labels) = series.split_once('{').unwrap_or((series, ""));
        Some(Self { name, labels: labels.strip_suffix('}').unwrap_or(labels), value: value.parse().ok()? })
    }

    /// Returns the value of a label, as it is escaped in the text.
    fn label(&self, name: &str) -> Option<&'a str> {
        let mut rest = self.labels;
        while let Some((label, value)) = rest.split_once("=\"") {
            let end = closing_quote(value)?;
            if label == name {
                return Some(&value[..end]);
            }
            rest = value[end + 1..].trim_start_matches(',');
        }
        None
    }
}

/// Returns the place of the quotation mark that ends a label's value.
fn closing_quote(value: &str) -> Option<usize> {
    let mut escaped = false;
    value.bytes().position(|byte| {
        let ends = byte == b'"' && !escaped;
        escaped = byte == b'\\' && !escaped;
        ends
    })
}
