//! `GET /v1/traffic`: the traffic of this process in the last hour, in intervals of ten seconds, the oldest
//! first.

use std::time::Duration;

use axum::Json;
use axum::extract::State;
use serde_json::{Map, Value, json};

use crate::telemetry::millis;
use crate::telemetry::traffic::{Durations, INTERVAL, INTERVALS, Interval};

use super::state::AdminState;

pub(super) async fn traffic(State(admin): State<AdminState>) -> Json<Value> {
    let now = admin.metrics.sample();
    let ages = admin.metrics.traffic().sum(&now, INTERVALS).duplicate_age;
    let table = admin.routes.table();
    let ttls: Map<String, Value> =
        table.ttls().map(|(route, ttl)| (route.to_owned(), ttl.as_secs().into())).collect();
    let intervals: Vec<Value> = admin.metrics.traffic().intervals().iter().map(interval).collect();
    Json(json!({
        "interval_seconds": INTERVAL.as_secs(),
        "intervals": intervals,
        "duplicate_age": ages.buckets.iter().map(bucket).collect::<Vec<_>>(),
        "ttl_seconds": ttls,
    }))
}

fn interval(Interval { at, counts }: &Interval) -> Value {
    json!({
        "at": at.to_string(),
        "requests": counts.requests,
        "executions": counts.executions,
        "replays": counts.replays,
        "duplicates": &counts.duplicates,
        "became_unknown": &counts.unknown,
        "settled": &counts.settled,
        "executions_in_flight": counts.in_flight,
        "unknown": counts.unknown_records,
        "request_ms": latency(&counts.request),
        "upstream_ms": latency(&counts.upstream),
        "store_ms": latency(&counts.store),
        "added_ms": latency(&counts.added),
    })
}

/// Returns the median and the 99th percentile, or nulls if there is no duration.
fn latency(durations: &Durations) -> Value {
    json!({ "p50": durations.quantile(0.5).map(ms), "p99": durations.quantile(0.99).map(ms) })
}

/// Returns a bucket. The last one has no upper bound.
fn bucket((bound, count): &(f64, u64)) -> Value {
    json!({ "up_to_seconds": bound.is_finite().then_some(bound), "count": count })
}

fn ms(seconds: f64) -> f64 {
    millis(Duration::from_secs_f64(seconds))
}
