//! `GET /readyz`: tells whether the gateway wants traffic.
//!
//! The gateway does not want traffic once it was told to stop, nor while the store does not answer, because
//! then each protected request would be refused anyway. If the store answers but no execution may begin, the
//! gateway wants traffic and says so in the answer: the stored responses are still useful.

use axum::Json;
use axum::extract::State;
use serde_json::{Value, json};

use crate::problem::Slug;

use super::problem::AdminProblem;
use super::state::AdminState;

pub(super) async fn readyz(State(state): State<AdminState>) -> Result<Json<Value>, AdminProblem> {
    readiness(&state).await?;
    Ok(Json(match state.ledger.stopped().next() {
        None => json!({ "ready": true, "status": "ready" }),
        Some(reason) => {
            json!({ "ready": true, "status": "ready", "claims": "stopped", "reason": reason.word() })
        }
    }))
}

/// Returns the problem for which the gateway does not want traffic, if there is one.
pub(super) async fn readiness(state: &AdminState) -> Result<(), AdminProblem> {
    if state.draining.is_cancelled() {
        let detail = "it was told to stop: send requests to another one";
        return Err(AdminProblem::new(Slug::ShuttingDown, detail));
    }
    state.ledger.ready().await?;
    Ok(())
}
