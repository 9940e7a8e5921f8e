//! `GET /metrics`: everything counted, as OpenMetrics text.

use axum::extract::State;
use axum::response::IntoResponse;
use http::header::CONTENT_TYPE;

use crate::telemetry::metrics::CONTENT_TYPE as OPENMETRICS;

use super::AdminState;

pub(super) async fn metrics(State(state): State<AdminState>) -> impl IntoResponse {
    ([(CONTENT_TYPE, OPENMETRICS)], state.metrics.encode())
}
