//! `POST /v1/records/{id}/reopen` `{"note"}`: an operator takes a decision back. The outcome is unknown again,
//! with the reason and the deadline that it had before.
//!
//! Only the decision of an operator can be taken back, and only while nothing happened after it. A decision
//! with a response stands, because clients may have got that response.

use axum::Json;
use axum::extract::State;
use http::StatusCode;
use serde::Deserialize;

use crate::protocol::{OperatorVerdict, Refusal, Reopen};

use super::audit::{self, Change};
use super::input::{Id, JsonBody};
use super::operator::Operator;
use super::problem::AdminProblem;
use super::resolve::check_note;
use super::state::AdminState;
use super::view::RecordView;

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct ReopenBody {
    note: String,
}

pub(super) async fn reopen(
    State(admin): State<AdminState>,
    operator: Operator,
    Id(id): Id,
    JsonBody(ReopenBody { note }): JsonBody<ReopenBody>,
) -> Result<Json<RecordView>, AdminProblem> {
    check_note(&note).map_err(AdminProblem::bad_request)?;
    let reopened = admin.ledger.apply(id, None, &operator.signed(Reopen, Some(&note)), None).await;
    audit::log(&operator, id, &Change::Reopen { note }, &reopened);
    match reopened?.verdict {
        OperatorVerdict::Decided(record) => Ok(Json(RecordView::alone(id, &record, &admin.metrics))),
        OperatorVerdict::Refused(Refusal::WrongState(record)) => {
            let detail = format!(
                "this record is {}; only a decision of an operator can be taken back, if it gave clients no \
                 response and nothing happened after it",
                record.state.name()
            );
            Err(AdminProblem::http(StatusCode::CONFLICT, detail).about(id))
        }
        OperatorVerdict::Refused(refusal) => Err(AdminProblem::refused("reopened", id, refusal)),
    }
}
