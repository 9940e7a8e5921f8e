//! Reading of requests: a path, a query or a body that cannot be understood becomes a problem.

use axum::body::Bytes;
use axum::extract::{FromRequest, FromRequestParts, Path, Query, Request};
use http::header::CONTENT_TYPE;
use http::request::Parts;
use http::{HeaderMap, StatusCode};
use serde::de::DeserializeOwned;

use crate::problem::Slug;
use crate::protocol::RecordId;

use super::problem::AdminProblem;
use super::short_id::{LEAST_DIGITS, ShortId};
use super::state::AdminState;

/// The record id in the path, which may be shortened to its first digits.
pub(super) struct Id(pub(super) RecordId);

impl FromRequestParts<AdminState> for Id {
    type Rejection = AdminProblem;

    async fn from_request_parts(parts: &mut Parts, state: &AdminState) -> Result<Self, AdminProblem> {
        let path = Path::<String>::from_request_parts(parts, state).await;
        let Path(id) = path.map_err(|rejection| AdminProblem::bad_request(rejection.body_text()))?;
        let invalid = match (id.parse(), ShortId::read(&id)) {
            (Ok(id), _) => return Ok(Self(id)),
            (Err(_), Some(short)) => return short.find(&state.ledger).await.map(Self),
            (Err(error), None) => error,
        };
        // There cannot be a record with such an id, so the answer is "not found", as for any other id without
        // a record.
        Err(AdminProblem::http(
            StatusCode::NOT_FOUND,
            format!(
                "no record has this id: {invalid}, or its first {LEAST_DIGITS} or more. An order number may be a \
                 label: a list with `label` finds its record"
            ),
        ))
    }
}

/// The query of a request. A parameter that `T` does not know is refused, not ignored.
pub(super) struct Parameters<T>(pub(super) T);

impl<S: Send + Sync, T: DeserializeOwned> FromRequestParts<S> for Parameters<T> {
    type Rejection = AdminProblem;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, AdminProblem> {
        match Query::from_request_parts(parts, state).await {
            Ok(Query(parameters)) => Ok(Self(parameters)),
            Err(rejection) => Err(AdminProblem::bad_request(rejection.body_text())),
        }
    }
}

/// A JSON body. Its content type is required, because it keeps a web page from sending such a body without
/// permission (CORS).
pub(super) struct JsonBody<T>(pub(super) T);

impl<S: Send + Sync, T: DeserializeOwned> FromRequest<S> for JsonBody<T> {
    type Rejection = AdminProblem;

    async fn from_request(request: Request, state: &S) -> Result<Self, AdminProblem> {
        if !is_json(request.headers()) {
            return Err(not_json());
        }
        parsed(&whole_body(request, state).await?).map(Self)
    }
}

/// A JSON body, or the default if there is no body. A page could send a request without a body, and only the
/// check of its origin stops it. For this reason the effect of the request must not depend on the body.
pub(super) struct OptionalJson<T>(pub(super) T);

impl<S: Send + Sync, T: DeserializeOwned + Default> FromRequest<S> for OptionalJson<T> {
    type Rejection = AdminProblem;

    async fn from_request(request: Request, state: &S) -> Result<Self, AdminProblem> {
        let json = is_json(request.headers());
        let body = whole_body(request, state).await?;
        match body.is_empty() {
            true => Ok(Self(T::default())),
            false if json => parsed(&body).map(Self),
            false => Err(not_json()),
        }
    }
}

async fn whole_body<S: Send + Sync>(request: Request, state: &S) -> Result<Bytes, AdminProblem> {
    Bytes::from_request(request, state).await.map_err(|rejection| {
        let detail = rejection.body_text();
        match rejection.status() {
            StatusCode::PAYLOAD_TOO_LARGE => AdminProblem::new(Slug::RequestTooLarge, detail),
            status => AdminProblem::http(status, detail),
        }
    })
}

fn not_json() -> AdminProblem {
    AdminProblem::http(StatusCode::UNSUPPORTED_MEDIA_TYPE, "the content type has to be application/json")
}

fn parsed<T: DeserializeOwned>(body: &[u8]) -> Result<T, AdminProblem> {
    serde_json::from_slice(body).map_err(|error| AdminProblem::bad_request(error.to_string()))
}

fn is_json(headers: &HeaderMap) -> bool {
    let value = headers.get(CONTENT_TYPE).map_or(&b""[..], |value| value.as_bytes());
    let media_type = value.split(|byte| *byte == b';').next().unwrap_or_default();
    media_type.trim_ascii().eq_ignore_ascii_case(b"application/json")
}
