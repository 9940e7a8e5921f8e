//! `POST /v1/accept-clock` `{"note"?}`: an operator declares that the store's clock is right, although it
//! jumped.
//!
//! The acceptance applies to all gateways of the store, and to the clock as it is now: a later jump stops
//! claims again. A second request changes nothing. The body may be left out.

use axum::Json;
use axum::extract::State;
use serde::Deserialize;
use serde_json::{Value, json};

use super::audit;
use super::input::OptionalJson;
use super::operator::Operator;
use super::problem::AdminProblem;
use super::resolve::MAX_NOTE;
use super::state::AdminState;

#[derive(Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct AcceptClockBody {
    note: Option<String>,
}

pub(super) async fn accept_clock(
    State(admin): State<AdminState>,
    operator: Operator,
    OptionalJson(AcceptClockBody { note }): OptionalJson<AcceptClockBody>,
) -> Result<Json<Value>, AdminProblem> {
    if note.as_ref().is_some_and(|note| note.chars().count() > MAX_NOTE) {
        return Err(AdminProblem::bad_request(format!("note: at most {MAX_NOTE} characters")));
    }
    let accepted = admin.ledger.accept_clock().await;
    audit::log_clock(&operator, note.as_deref(), &accepted);
    Ok(Json(json!({ "accepted": accepted? })))
}
