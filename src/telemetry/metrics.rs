//! The metric handles. Names and labels are a contract.
//!
//! A [`Metrics`] is a handle: clones count into the same families. Route labels are names of
//! configured routes, or empty for a request that no route matched, so the number of series is
//! bounded by the configuration and not by what clients send.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use prometheus_client::encoding::text;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::registry::Registry;

use crate::protocol::Reason;
use crate::store::Stopped;

use super::exemplar::{TraceId, TracedHistogram, observe};
use super::exposition::{Format, text_of};
use super::family::{
    Histograms, TracedHistograms, added_seconds, age_seconds, call_seconds, describe, traced_call_seconds,
};
use super::kept::Kept;
use super::log;
use super::recent_attempts::RecentAttempts;
use super::store_calls::StoreCalls;
use super::tail::Tail;
use super::traffic::{Sample, Traffic};

use self::labels::{Cause, Op, Route, RouteArrival, RouteOutcome, RouteReason};
use self::reloads::ReloadFamilies;
use self::settling::SettleFamilies;
use self::unknown::UnknownFamilies;

pub use self::unknown::Unknown;

mod labels;
mod reloads;
mod settling;
mod unknown;

/// The counters of the gateway. Cheap to clone.
#[derive(Clone, Default)]
pub struct Metrics(Arc<Families>);

/// The time of a duplicate, relative to the execution it duplicates.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Arrival {
    /// During the execution.
    Concurrent,
    /// After its end, while its outcome was kept.
    Completed,
    /// After its ttl, when only the tombstone was left.
    Late,
}

/// A guard that counts one execution as in flight until it is dropped.
#[derive(Debug)]
#[must_use = "the execution counts as in flight only while this lives"]
pub struct ExecutionInFlight(Gauge);

struct Families {
    requests: Family<RouteOutcome, Counter>,
    request_duration: TracedHistograms<RouteOutcome>,
    upstream_duration: TracedHistograms<Route>,
    added_duration: TracedHistograms<Route>,
    store_duration: Histograms<Op>,
    store_errors: Family<Op, Counter>,
    executions: Family<RouteOutcome, Counter>,
    executions_in_flight: Family<Route, Gauge>,
    unknown: UnknownFamilies,
    became_unknown: Family<RouteReason, Counter>,
    settling: SettleFamilies,
    reloads: ReloadFamilies,
    tls_failures: Family<Cause, Counter>,
    bypassed: Family<Route, Counter>,
    recent_attempts: RecentAttempts,
    tail: Tail,
    traffic: Traffic,
    duplicates: Family<RouteArrival, Counter>,
    duplicate_age: Histograms<Route>,
    unreadable_records: Counter,
    log_lines_dropped: Counter,
    claims_stopped: Family<Cause, Gauge>,
    ready: Gauge,
    spans_dropped: Counter,
    /// The handles into which each request counts, and each execution.
    answered: Kept<(Counter, TracedHistogram)>,
    started: Kept<Gauge>,
    called: Kept<TracedHistogram>,
    added: Kept<TracedHistogram>,
    ended: Kept<Counter>,
    registry: Registry,
}

impl Metrics {
    /// Creates families without counts.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Counts an answered request. `outcome` is `completed`, `replayed`, `released`, `unprotected`,
    /// `lookup`, `lookup-absent` or the slug of the problem. `trace` is the sampled trace of the request,
    /// if it has one.
    pub fn request(&self, route: &str, outcome: &'static str, took: Duration, trace: Option<TraceId>) {
        let (requests, duration) = self.0.answered.get(route, outcome, || {
            let labels = RouteOutcome { route: route.to_owned(), outcome };
            let requests = self.0.requests.get_or_create_owned(&labels);
            (requests, self.0.request_duration.get_or_create_owned(&labels))
        });
        requests.inc();
        observe(&duration, took.as_secs_f64(), trace);
    }

    /// Counts a call to the upstream that ended, with any result. `trace` is the sampled trace of the call,
    /// if it has one.
    pub fn upstream_call(&self, route: &str, took: Duration, trace: Option<TraceId>) {
        let duration = &self.0.upstream_duration;
        let duration = self.0.called.get(route, "", || duration.get_or_create_owned(&Route::named(route)));
        observe(&duration, took.as_secs_f64(), trace);
    }

    /// Counts the time that this gateway and its store added to a request that ran an execution. `trace` is
    /// the sampled trace of the request, if it has one.
    pub fn added(&self, route: &str, took: Duration, trace: Option<TraceId>) {
        let duration = &self.0.added_duration;
        let duration = self.0.added.get(route, "", || duration.get_or_create_owned(&Route::named(route)));
        observe(&duration, took.as_secs_f64(), trace);
    }

    /// Counts an execution as in flight until the returned guard is dropped.
    pub fn execution_started(&self, route: &str) -> ExecutionInFlight {
        let gauge = &self.0.executions_in_flight;
        let gauge = self.0.started.get(route, "", || gauge.get_or_create_owned(&Route::named(route)));
        gauge.inc();
        ExecutionInFlight(gauge)
    }

    /// Counts an execution that ended, with its outcome, even if its client no longer waited.
    pub fn execution_ended(&self, route: &str, outcome: &'static str) {
        let executions = self.0.ended.get(route, outcome, || {
            self.0.executions.get_or_create_owned(&RouteOutcome { route: route.to_owned(), outcome })
        });
        executions.inc();
    }

    /// Counts an attempt that was forwarded unprotected, because the store did not answer.
    pub fn bypassed(&self, route: &str) {
        self.0.bypassed.get_or_create(&Route::named(route)).inc();
    }

    /// Returns the counters of the operations with the most recent later attempts.
    #[must_use]
    pub fn recent_attempts(&self) -> &RecentAttempts {
        &self.0.recent_attempts
    }

    /// Returns the source of ended requests for operators who look on.
    #[must_use]
    pub fn tail(&self) -> &Tail {
        &self.0.tail
    }

    /// Returns the traffic of the last hour, as far as it was recorded.
    #[must_use]
    pub fn traffic(&self) -> &Traffic {
        &self.0.traffic
    }

    /// Returns the present counts of the traffic.
    #[must_use]
    pub fn sample(&self) -> Sample {
        Sample::read(&self.encode_as(Format::Text))
    }

    /// Counts a duplicate that came `age` after the first attempt.
    pub fn duplicate(&self, route: &str, arrival: Arrival, age: Duration) {
        let labels = RouteArrival { route: route.to_owned(), arrival: arrival.name() };
        self.0.duplicates.get_or_create(&labels).inc();
        self.0.duplicate_age.get_or_create(&Route::named(route)).observe(age.as_secs_f64());
    }

    /// Returns the counters of one of a store's primitives.
    pub(super) fn store_calls(&self, op: &'static str) -> StoreCalls {
        StoreCalls {
            duration: self.0.store_duration.get_or_create_owned(&Op { op }),
            errors: self.0.store_errors.get_or_create_owned(&Op { op }),
        }
    }

    /// Counts an execution with an outcome that became unknown. Call this once for each.
    pub fn became_unknown(&self, route: &str, reason: Reason) {
        let labels = RouteReason { route: route.to_owned(), reason: reason.label().into_owned() };
        self.0.became_unknown.get_or_create(&labels).inc();
    }

    /// Counts a question about an unknown outcome that was answered: `executed`, `not-executed` or
    /// `undecided`.
    pub fn asked(&self, route: &str, answer: &'static str) {
        self.0.settling.asked(route, answer);
    }

    /// Counts an outcome that is unknown no more. `by` names what decided it, and `took` is the time for
    /// which it was unknown.
    pub fn settled(&self, route: &str, by: &'static str, outcome: &'static str, took: Duration) {
        self.0.settling.settled(route, by, outcome, took);
    }

    /// Counts an unknown outcome that the background settler of this process asks for no more.
    pub fn settling_gave_up(&self, route: &str, by: &'static str) {
        self.0.settling.gave_up(route, by);
    }

    /// Counts a delivery to the webhook for unknown outcomes. `outcome` is `delivered` or `failed`.
    pub fn notified(&self, outcome: &'static str) {
        self.0.settling.notified(outcome);
    }

    /// Notes that this version of the configuration was loaded at `at`, in seconds since the Unix epoch.
    pub fn config_loaded(&self, version: &str, at: i64) {
        self.0.reloads.loaded(version, at);
    }

    /// Counts a reload of the configuration.
    pub fn reloaded(&self, outcome: &'static str, is_success: bool) {
        self.0.reloads.count(outcome, is_success);
    }

    /// Sets the unknown records of each route. A route that was shown before and is no longer in `unknown` is
    /// set to zero.
    pub fn set_unknown(&self, unknown: &BTreeMap<String, Unknown>) {
        self.0.unknown.set(unknown);
    }

    /// Counts a TLS handshake with a client that failed. `reason` is one of a small fixed set.
    pub fn tls_failure(&self, reason: &'static str) {
        self.0.tls_failures.get_or_create(&Cause { reason }).inc();
    }

    /// Sets the reasons for which no execution may begin now.
    pub fn set_claims_stopped(&self, holding: &[Stopped]) {
        self.0.show_claims_stopped(holding);
    }

    /// Shows whether the gateway wants traffic.
    pub fn set_ready(&self, ready: bool) {
        self.0.ready.set(ready.into());
    }

    /// Returns the counter of spans that no receiver took.
    #[must_use]
    pub fn spans_dropped(&self) -> Counter {
        self.0.spans_dropped.clone()
    }

    /// Counts a stored record that could not be decoded. An operator has to examine it.
    pub fn unreadable_record(&self) {
        self.0.unreadable_records.inc();
    }

    /// Returns all metrics in one of the text formats.
    #[must_use]
    pub fn encode_as(&self, format: Format) -> String {
        match format {
            Format::OpenMetrics => self.encode(),
            Format::Text => text_of(&self.encode()),
        }
    }

    /// Returns all metrics as OpenMetrics.
    #[must_use]
    pub fn encode(&self) -> String {
        let mut text = String::new();
        text::encode(&mut text, &self.0.registry).expect("writing to a string does not fail");
        text
    }
}

impl Arrival {
    /// Returns the value of the `arrival` label.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Concurrent => "concurrent",
            Self::Completed => "completed",
            Self::Late => "late",
        }
    }
}

impl Drop for ExecutionInFlight {
    fn drop(&mut self) {
        self.0.dec();
    }
}

impl Default for Families {
    fn default() -> Self {
        let mut families = Self {
            requests: Family::default(),
            request_duration: TracedHistograms::new_with_constructor(traced_call_seconds),
            upstream_duration: TracedHistograms::new_with_constructor(traced_call_seconds),
            added_duration: TracedHistograms::new_with_constructor(added_seconds),
            store_duration: Histograms::new_with_constructor(call_seconds),
            store_errors: Family::default(),
            executions: Family::default(),
            executions_in_flight: Family::default(),
            unknown: UnknownFamilies::default(),
            became_unknown: Family::default(),
            settling: SettleFamilies::default(),
            reloads: ReloadFamilies::default(),
            tls_failures: Family::default(),
            bypassed: Family::default(),
            recent_attempts: RecentAttempts::default(),
            tail: Tail::default(),
            traffic: Traffic::default(),
            duplicates: Family::default(),
            duplicate_age: Histograms::new_with_constructor(age_seconds),
            unreadable_records: Counter::default(),
            log_lines_dropped: log::dropped(),
            claims_stopped: Family::default(),
            ready: Gauge::default(),
            spans_dropped: Counter::default(),
            answered: Kept::default(),
            started: Kept::default(),
            called: Kept::default(),
            added: Kept::default(),
            ended: Kept::default(),
            registry: Registry::with_prefix("oncegate"),
        };
        families.describe_traffic();
        families.describe_records();
        families.unknown.describe(&mut families.registry);
        families.settling.describe(&mut families.registry);
        families.reloads.describe(&mut families.registry);
        families.show_claims_stopped(&[]);
        families
    }
}

impl Families {
    fn show_claims_stopped(&self, holding: &[Stopped]) {
        for reason in Stopped::ALL {
            let labels = Cause { reason: reason.word() };
            self.claims_stopped.get_or_create(&labels).set(holding.contains(&reason).into());
        }
    }

    fn describe_traffic(&mut self) {
        let to = &mut self.registry;
        describe(to, "requests", "Requests answered, by outcome", &self.requests);
        let help = "Time from a request's head to its answer";
        describe(to, "request_duration_seconds", help, &self.request_duration);
        let help = "Time from the first byte sent upstream to the end of the answer";
        describe(to, "upstream_duration_seconds", help, &self.upstream_duration);
        let help =
            "Time of a request that ran an execution, without its body's arrival and the upstream's call";
        describe(to, "added_duration_seconds", help, &self.added_duration);
        describe(to, "store_duration_seconds", "Time the store took for a primitive", &self.store_duration);
        let help = "Primitives that the store refused or did not answer";
        describe(to, "store_errors", help, &self.store_errors);
        let help = "Whether the gateway wants traffic, as /readyz says";
        describe(to, "ready", help, &self.ready);
        describe(to, "spans_dropped", "Spans of traces that no receiver took", &self.spans_dropped);
        let help = "TLS handshakes with clients that failed";
        describe(to, "tls_failures", help, &self.tls_failures);
        let help = "Log lines that standard error did not take in time";
        describe(to, "log_lines_dropped", help, &self.log_lines_dropped);
    }

    fn describe_records(&mut self) {
        let to = &mut self.registry;
        let help = "Executions ended in this process, by outcome";
        describe(to, "executions", help, &self.executions);
        let help = "Executions running in this process now";
        describe(to, "executions_in_flight", help, &self.executions_in_flight);
        let help = "Executions whose outcome became unknown, each once";
        describe(to, "unknown", help, &self.became_unknown);
        let help = "Attempts forwarded unprotected because the store did not answer";
        describe(to, "bypassed", help, &self.bypassed);
        describe(to, "duplicates", "Attempts that came after the first one", &self.duplicates);
        let help = "Time from the first attempt to a duplicate, as a measure for the ttl";
        describe(to, "duplicate_age_seconds", help, &self.duplicate_age);
        let help = "Stored records that could not be decoded; each needs an operator";
        describe(to, "unreadable_records", help, &self.unreadable_records);
        let help = "Whether no execution may begin now, by reason";
        describe(to, "claims_stopped", help, &self.claims_stopped);
    }
}

#[cfg(test)]
mod tests;
