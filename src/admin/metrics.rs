//! `GET /metrics`: all metrics, as OpenMetrics or as Prometheus text, depending on `Accept`.

use std::time::Duration;

use axum::extract::State;
use axum::response::IntoResponse;
use http::HeaderMap;
use http::header::{ACCEPT, CONTENT_TYPE, VARY};
use tokio::time::timeout;

use crate::telemetry::Format;

use super::readyz::readiness;
use super::state::AdminState;

/// Longest wait for the store's answer. A scrape that lasts too long brings no metrics at all.
const READY_WITHIN: Duration = Duration::from_secs(2);

pub(super) async fn metrics(State(state): State<AdminState>, headers: HeaderMap) -> impl IntoResponse {
    let accepted = headers.get_all(ACCEPT).into_iter().filter_map(|value| value.to_str().ok());
    let format = Format::accepted(accepted);
    let about = [(CONTENT_TYPE, format.content_type()), (VARY, "Accept")];
    state.metrics.set_ready(matches!(timeout(READY_WITHIN, readiness(&state)).await, Ok(Ok(()))));
    (about, state.metrics.encode_as(format))
}
