//! `GET /readyz`: whether the gateway wants traffic. It does not once it was told to stop, nor while the
//! store does not answer, for then every protected request would be refused anyway. Where the store answers
//! and no execution may begin it does, and says so: what is stored is worth having.

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
    Ok(Json(match state.ledger.stopped().next() {
        None => json!({ "ready": true, "status": "ready" }),
        Some(reason) => {
            json!({ "ready": true, "status": "ready", "claims": "stopped", "reason": reason.word() })
        }
    }))
}
