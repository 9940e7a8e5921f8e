//! `GET /v1/status`: the gateway at a glance, and the operator as the gateway knows them.
//!
//! The unknown outcomes are counted in the store, by its clock, so they are those of every gateway on it. All
//! other numbers are those of this process.

use std::time::Duration;

use axum::Json;
use axum::extract::State;
use serde_json::{Value, json};

use crate::telemetry::millis;
use crate::telemetry::traffic::{INTERVAL, INTERVALS};

use super::operator::Operator;
use super::problem::AdminProblem;
use super::state::AdminState;

/// Number of intervals that rates and latencies are taken from: five minutes.
const RECENT: usize = 30;

pub(super) async fn status(
    State(admin): State<AdminState>,
    operator: Operator,
) -> Result<Json<Value>, AdminProblem> {
    let tally = admin.ledger.tally().await?;
    let unknown: u64 = tally.routes.values().map(|route| route.records).sum();
    let oldest = tally.routes.values().map(|route| tally.now.since(route.oldest)).max();
    let (now, traffic) = (admin.metrics.sample(), admin.metrics.traffic());
    let (hour, recent) = (traffic.sum(&now, INTERVALS), traffic.sum(&now, RECENT));
    let by_operators = hour.settled.get("operator").copied().unwrap_or(0);
    let settled: u64 = hour.settled.values().sum();
    let stopped: Vec<_> = admin.ledger.stopped().map(|reason| admin.ledger.why(reason)).collect();
    let ms = |seconds: Option<f64>| seconds.map(|seconds| millis(Duration::from_secs_f64(seconds)));
    let span = INTERVAL.as_secs_f64() * RECENT as f64;
    Ok(Json(json!({
        "operator": { "name": &*operator.name, "role": operator.role.to_string() },
        "draining": admin.draining.is_cancelled(),
        "claims_stopped": stopped,
        "store_time": tally.now.to_string(),
        "unknown": unknown,
        "oldest_unknown_seconds": oldest.map(|age| age.as_secs()),
        "executions_in_flight": now.in_flight,
        "last_hour": {
            "became_unknown": hour.unknown.values().sum::<u64>(),
            "settled_without_a_person": settled - by_operators,
            "settled_by_operators": by_operators,
            "executions": hour.executions,
            "replays": hour.replays,
            "requests": hour.requests,
        },
        "last_five_minutes": {
            "requests_per_second": recent.requests as f64 / span,
            "replays_per_second": recent.replays as f64 / span,
            "added_p50_ms": ms(recent.added.quantile(0.5)),
            "added_p99_ms": ms(recent.added.quantile(0.99)),
            "request_p99_ms": ms(recent.request.quantile(0.99)),
            "upstream_p99_ms": ms(recent.upstream.quantile(0.99)),
            "store_p99_ms": ms(recent.store.quantile(0.99)),
        },
    })))
}
