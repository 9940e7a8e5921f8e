//! `GET /readyz`: whether the gateway wants traffic. It does not once it was told to stop, nor while the
//! store does not answer, for then every protected request would be refused anyway. Where the store answers
//! and no execution may begin it does, and says so: what is stored is worth having.

use axum::Json;
use axum::extract::State;
use serde_json::{Value, json};

use crate::problem::Slug;

use super::{AdminProblem, AdminState};

pub(super) async fn readyz(State(state): State<AdminState>) -> Result<Json<Value>, AdminProblem> {
    if state.draining.is_cancelled() {
        let detail = "it was told to stop: send requests to another one";
        return Err(AdminProblem::new(Slug::ShuttingDown, detail));
    }
    state.ledger.ready().await?;
    Ok(Json(match state.ledger.stopped().next() {
        None => json!({ "ready": true, "status": "ready" }),
        Some(reason) => {
            json!({ "ready": true, "status": "ready", "claims": "stopped", "reason": reason.word() })
        }
    }))
}
