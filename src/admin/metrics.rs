//! `GET /metrics`: all metrics, as OpenMetrics or as Prometheus text, depending on `Accept`.

use axum::extract::State;
use axum::response::IntoResponse;
use http::HeaderMap;
use http::header::{ACCEPT, CONTENT_TYPE, VARY};

use crate::telemetry::Format;

use super::state::AdminState;

pub(super) async fn metrics(State(state): State<AdminState>, headers: HeaderMap) -> impl IntoResponse {
    let accepted = headers.get_all(ACCEPT).into_iter().filter_map(|value| value.to_str().ok());
    let format = Format::accepted(accepted);
    let about = [(CONTENT_TYPE, format.content_type()), (VARY, "Accept")];
    (about, state.metrics.encode_as(format))
}
