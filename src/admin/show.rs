//! `GET /v1/records/{id}`: shows one record. With `?response=true` it also shows the stored response with its
//! body, which may hold data that the upstream meant for the payer. That needs the role `settle`.

use axum::Json;
use axum::extract::State;
use http::Method;
use serde::{Deserialize, Serialize};

use crate::config::Role;

use super::audit;
use super::input::{Id, Parameters};
use super::operator::Operator;
use super::problem::AdminProblem;
use super::response::ResponseView;
use super::state::AdminState;
use super::view::RecordView;

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct ShowQuery {
    #[serde(default)]
    response: bool,
}

#[derive(Serialize)]
pub(super) struct Shown {
    #[serde(flatten)]
    record: RecordView,
    /// Absent unless requested; null if there is no response to show.
    #[serde(skip_serializing_if = "Option::is_none")]
    response: Option<Option<ResponseView>>,
}

pub(super) async fn show(
    State(admin): State<AdminState>,
    operator: Operator,
    Id(id): Id,
    Parameters(query): Parameters<ShowQuery>,
) -> Result<Json<Shown>, AdminProblem> {
    if query.response && !operator.may(Role::Settle) {
        audit::log_role(&operator, &Method::GET, Some(id), Role::Settle);
        return Err(operator.lacks(Role::Settle).about(id));
    }
    let decision = admin.ledger.read(id).await?;
    let record = decision.record.ok_or_else(|| AdminProblem::no_record(id))?;
    let response = query.response.then(|| decision.response.as_ref().map(ResponseView::of));
    if let Some(Some(_)) = &response {
        audit::log_shown(&operator, id, &record);
    }
    Ok(Json(Shown { record: RecordView::alone(id, &record, &admin.metrics), response }))
}
