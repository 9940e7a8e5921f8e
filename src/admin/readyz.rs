//! `GET /readyz`: whether the gateway wants traffic. It does not once it was told to stop, nor while the
//! store does not answer, for then every protected request would be refused anyway.

use axum::Json;
use axum::extract::State;
use http::StatusCode;
use serde_json::{Value, json};

use super::{AdminState, Problem};

pub(super) async fn readyz(State(state): State<AdminState>) -> Result<Json<Value>, Problem> {
    if state.draining.is_cancelled() {
        let (title, detail) = ("The gateway shuts down", "it was told to stop: send requests to another one");
        return Err(Problem::named(StatusCode::SERVICE_UNAVAILABLE, "shutting-down", title, detail));
    }
    state.ledger.ready().await?;
    Ok(Json(json!({ "status": "ready" })))
}
