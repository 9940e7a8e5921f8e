//! Problem details (RFC 9457): the answers of the admin API to a request that it cannot fulfil.

use axum::Json;
use axum::response::{IntoResponse, Response};
use http::header::{CACHE_CONTROL, CONTENT_TYPE};
use http::{HeaderValue, StatusCode};
use serde::Serialize;

use crate::protocol::{RecordId, Refusal};
use crate::store::StoreError;

/// A problem to be sent to the operator.
#[derive(Debug)]
pub(super) struct Problem {
    status: StatusCode,
    slug: Option<&'static str>,
    title: &'static str,
    detail: String,
    record: Option<RecordId>,
}

/// The members, in the order in which they are shown.
#[derive(Serialize)]
struct Document {
    r#type: String,
    title: &'static str,
    status: u16,
    detail: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    record: Option<String>,
}

impl Problem {
    /// Makes a problem that its status describes.
    pub(super) fn new(status: StatusCode, detail: impl Into<String>) -> Self {
        let title = status.canonical_reason().unwrap_or("Error");
        Self { status, slug: None, title, detail: detail.into(), record: None }
    }

    /// Makes a problem with a slug of the gateway's own problems.
    pub(super) fn named(
        status: StatusCode,
        slug: &'static str,
        title: &'static str,
        detail: impl Into<String>,
    ) -> Self {
        Self { status, slug: Some(slug), title, detail: detail.into(), record: None }
    }

    /// Makes the problem of a malformed request.
    pub(super) fn bad_request(detail: impl Into<String>) -> Self {
        Self::new(StatusCode::BAD_REQUEST, detail)
    }

    /// Makes the problem of an id without a record.
    pub(super) fn no_record(id: RecordId) -> Self {
        Self::new(StatusCode::NOT_FOUND, "no record has this id; its time may be over").about(id)
    }

    /// Makes the problem of a record for which the protocol does not allow `action`.
    pub(super) fn refused(action: &str, id: RecordId, refusal: Refusal) -> Self {
        let detail = match refusal {
            Refusal::Absent => return Self::no_record(id),
            Refusal::WrongState(state) => format!("a record that is {state} cannot be {action}"),
            Refusal::TooEarly { until } => format!(
                "the call may still be under way until {until}; from then on it can be {action} as not \
                 executed, before that only with force"
            ),
        };
        Self::new(StatusCode::CONFLICT, detail).about(id)
    }

    /// Adds the id of the record that the problem is about.
    pub(super) fn about(self, id: RecordId) -> Self {
        Self { record: Some(id), ..self }
    }
}

impl From<StoreError> for Problem {
    fn from(error: StoreError) -> Self {
        let detail = error.to_string();
        match error {
            StoreError::Unavailable(_) | StoreError::Unclear(_) | StoreError::Refused(_) => {
                tracing::warn!(%error, "an admin request got no answer from the store");
                let title = "The store does not answer";
                Self::named(StatusCode::SERVICE_UNAVAILABLE, "store-unavailable", title, detail)
            }
            StoreError::Unreadable { id, .. } => {
                tracing::error!(%error, "an admin request met a record that cannot be decoded");
                let title = "The stored record cannot be decoded";
                Self::named(StatusCode::INTERNAL_SERVER_ERROR, "record-unreadable", title, detail).about(id)
            }
        }
    }
}

impl IntoResponse for Problem {
    fn into_response(self) -> Response {
        let document = Document {
            r#type: self.slug.map_or("about:blank".into(), |slug| format!("urn:oncegate:problem:{slug}")),
            title: self.title,
            status: self.status.as_u16(),
            detail: self.detail,
            record: self.record.map(|id| id.to_string()),
        };
        let mut response = (self.status, Json(document)).into_response();
        let headers = response.headers_mut();
        headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/problem+json"));
        headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
        response
    }
}
