//! `POST /v1/lookup` `{"route", "key", "headers"}`: the record of the operation that a request
//! with this key and these headers names on this route.
//!
//! It is a POST so that neither key nor credential stands in a URL, and so in somebody's log.

use axum::Json;
use axum::extract::State;
use http::StatusCode;
use serde::Deserialize;

use crate::protocol::{Key, RecordId, Scope};

use super::input::JsonBody;
use super::response::HeaderList;
use super::view::RecordView;
use super::{AdminState, Problem};

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Lookup {
    route: String,
    key: String,
    #[serde(default)]
    headers: HeaderList,
}

pub(super) async fn lookup(
    State(admin): State<AdminState>,
    JsonBody(lookup): JsonBody<Lookup>,
) -> Result<Json<RecordView>, Problem> {
    let id = admin.name(lookup)?;
    let found = admin.ledger.read(id).await?;
    let record = found.record.ok_or_else(|| {
        Problem::new(StatusCode::NOT_FOUND, "there is no record of this operation").about(id)
    })?;
    Ok(Json(RecordView::of(id, &record)))
}

impl AdminState {
    /// The id of the operation, derived as for a request.
    fn name(&self, lookup: Lookup) -> Result<RecordId, Problem> {
        let route = self.routes.iter().find(|route| *route.name == *lookup.route).ok_or_else(|| {
            Problem::new(StatusCode::NOT_FOUND, format!("no route is named `{}`", lookup.route))
        })?;
        let key = Key::parse(lookup.key.as_bytes()).map_err(|invalid| {
            let title = "The key is not valid";
            Problem::named(StatusCode::BAD_REQUEST, "key-invalid", title, invalid.to_string())
        })?;
        let scope = Scope::from_headers(&route.scope, &lookup.headers.into_map());
        Ok(RecordId::of(&route.namespace, &scope, &key))
    }
}
