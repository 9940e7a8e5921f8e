//! `DELETE /v1/records/{id}`: deletes a response before its ttl ends. The tombstone stays, so a very late
//! retry is still refused. A record that is running, unknown or cleared cannot be deleted.

use axum::Json;
use axum::extract::State;

use crate::protocol::{Event, Verdict};

use super::audit::{self, Change};
use super::input::Id;
use super::problem::AdminProblem;
use super::state::AdminState;
use super::view::RecordView;

pub(super) async fn delete(
    State(admin): State<AdminState>,
    Id(id): Id,
) -> Result<Json<RecordView>, AdminProblem> {
    let decided = admin.ledger.apply(id, None, &Event::Delete, None).await;
    audit::log(id, &Change::Delete, &decided);
    let decision = decided?;
    match (decision.verdict, decision.record) {
        (Verdict::Refused(refusal), _) => Err(AdminProblem::refused("deleted", id, refusal)),
        (_, Some(record)) => Ok(Json(RecordView::of(id, &record))),
        (_, None) => Err(AdminProblem::no_record(id)),
    }
}
