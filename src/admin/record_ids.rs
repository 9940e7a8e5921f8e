//! `POST /v1/record-ids` `{"lookups": [{"route", "key", "path", "headers", "certificate"}, …]}`: the ids of
//! the operations that requests with these keys, paths, headers and client certificates name.
//!
//! The answer is `{"ids": […]}`, in the order of the lookups. No store is asked, and an id does not mean that
//! there is a record.

use axum::Json;
use axum::extract::State;
use serde::{Deserialize, Serialize};

use super::input::JsonBody;
use super::lookup::Lookup;
use super::problem::AdminProblem;
use super::state::AdminState;

/// Largest number of lookups in one request.
const MOST_LOOKUPS: usize = 1000;

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Lookups {
    lookups: Vec<Lookup>,
}

#[derive(Serialize)]
pub(super) struct RecordIds {
    ids: Vec<String>,
}

pub(super) async fn record_ids(
    State(admin): State<AdminState>,
    JsonBody(Lookups { lookups }): JsonBody<Lookups>,
) -> Result<Json<RecordIds>, AdminProblem> {
    if lookups.len() > MOST_LOOKUPS {
        return Err(AdminProblem::bad_request(format!("lookups: there are more than {MOST_LOOKUPS}")));
    }
    let id = |(index, lookup)| {
        let id = admin.name(lookup).map_err(|problem| problem.within(&format!("lookups[{index}]")))?;
        Ok(id.to_string())
    };
    let ids = lookups.into_iter().enumerate().map(id).collect::<Result<_, AdminProblem>>()?;
    Ok(Json(RecordIds { ids }))
}
