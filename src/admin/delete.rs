//! `DELETE /v1/records/{id}`: deletes a response before its ttl ends. The tombstone stays, so a very late
//! retry is still refused. A record that is running, unknown or cleared cannot be deleted.

use axum::Json;
use axum::extract::State;

use crate::protocol::{Delete, OperatorVerdict};

use super::audit::{self, Change};
use super::input::Id;
use super::operator::Operator;
use super::problem::AdminProblem;
use super::state::AdminState;
use super::view::RecordView;

pub(super) async fn delete(
    State(admin): State<AdminState>,
    operator: Operator,
    Id(id): Id,
) -> Result<Json<RecordView>, AdminProblem> {
    let decided = admin.ledger.apply(id, None, &operator.signed(Delete, None), None).await;
    audit::log(&operator, id, &Change::Delete, &decided);
    let decision = decided?;
    match decision.verdict {
        OperatorVerdict::Refused(refusal) => Err(AdminProblem::refused("deleted", id, refusal)),
        OperatorVerdict::Decided(record) => Ok(Json(RecordView::alone(id, &record, &admin.metrics))),
    }
}
