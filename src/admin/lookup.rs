//! `POST /v1/lookup` `{"route", "key", "path", "headers", "certificate"}`: the record of the operation that a
//! request with this key, path, headers and client certificate names on this route.
//!
//! The method is POST so that neither key nor credential stands in a URL, which is often logged.

use axum::Json;
use axum::extract::State;
use http::StatusCode;
use serde::Deserialize;

use crate::headers::HeaderList;
use crate::pem;
use crate::problem::Slug;
use crate::protocol::{CallerParts, Key, RecordId, ScopePart};
use crate::routes::scope_on;

use super::input::JsonBody;
use super::problem::AdminProblem;
use super::state::AdminState;
use super::view::RecordView;

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Lookup {
    route: String,
    key: String,
    #[serde(default)]
    headers: HeaderList,
    /// The path of the request. If the route's path has no parameters, the default is the route's own path.
    path: Option<String>,
    /// The certificate that the client presented, in PEM.
    certificate: Option<String>,
}

pub(super) async fn lookup(
    State(admin): State<AdminState>,
    JsonBody(lookup): JsonBody<Lookup>,
) -> Result<Json<RecordView>, AdminProblem> {
    let route = lookup.route.clone();
    let id = admin.name(lookup)?;
    let found = admin.ledger.read(id).await?;
    let record = found.record.ok_or_else(|| admin.no_operation(&route, id))?;
    Ok(Json(RecordView::alone(id, &record, &admin.metrics)))
}

impl AdminState {
    /// Creates the problem of an operation without a record. The parts of the scope are named, because a
    /// lookup that lacks one of them names the operation of another caller.
    fn no_operation(&self, route: &str, id: RecordId) -> AdminProblem {
        let table = self.routes.table();
        let scope = table.named(route).map(|route| &*route.scope).unwrap_or_default();
        let parts: Vec<_> = scope.iter().map(ToString::to_string).collect();
        let detail = format!(
            "there is no record of this operation. Its caller has to be named as in the request; the scope of route \
             `{route}` is: {}",
            parts.join(", ")
        );
        AdminProblem::http(StatusCode::NOT_FOUND, detail).about(id)
    }

    /// Derives the id of the operation in the same way as for a request.
    pub(super) fn name(&self, lookup: Lookup) -> Result<RecordId, AdminProblem> {
        let table = self.routes.table();
        let route = table.named(&lookup.route).ok_or_else(|| {
            AdminProblem::http(StatusCode::NOT_FOUND, format!("no route is named `{}`", lookup.route))
        })?;
        let key = Key::parse(lookup.key.as_bytes())
            .map_err(|invalid| AdminProblem::new(Slug::KeyInvalid, invalid.to_string()))?;
        let bad = |detail: &str| AdminProblem::bad_request(detail.to_owned());
        let path = table.operation_path(route, lookup.path.as_deref());
        let path = path.map_err(|why| bad(&why.to_string()))?;
        let subject = |pem: &String| pem::issuer_subject(pem.as_bytes());
        let certificate = lookup.certificate.as_ref().map(subject).transpose();
        let certificate = certificate.map_err(|why| bad(&format!("certificate: {why}")))?;
        if route.scope.contains(&ScopePart::ClientCertificate) && certificate.is_none() {
            return Err(bad(
                "this route's scope has the client's certificate: name it in `certificate`, in PEM",
            ));
        }
        let headers = lookup.headers.into_map();
        let shown = CallerParts { headers: &headers, certificate: certificate.as_deref(), path };
        let scope = scope_on(route, shown).map_err(|why| bad(&format!("{why}; give one in `headers`")))?;
        Ok(RecordId::of(&route.namespace, &scope, &key))
    }
}
