//! The admin API's answers to what it cannot do (RFC 9457).

use std::borrow::Cow;

use axum::response::{IntoResponse, Response};
use http::StatusCode;

use crate::problem::{Problem, Slug};
use crate::protocol::{RecordId, Refusal, State};
use crate::store::StoreError;

/// A problem to be sent to the operator.
#[derive(Debug)]
pub(super) struct AdminProblem(Problem);

impl AdminProblem {
    /// Creates a problem that the gateway's table has a name for.
    pub(super) fn new(slug: Slug, detail: impl Into<Cow<'static, str>>) -> Self {
        Self(Problem::new(slug, detail))
    }

    /// Creates a problem that its status describes.
    pub(super) fn http(status: StatusCode, detail: impl Into<Cow<'static, str>>) -> Self {
        Self::new(Slug::Http(status), detail)
    }

    /// Creates the problem of a request that is itself wrong.
    pub(super) fn bad_request(detail: impl Into<Cow<'static, str>>) -> Self {
        Self::http(StatusCode::BAD_REQUEST, detail)
    }

    /// Creates the problem of a gateway with routes that never change.
    pub(super) fn no_configuration() -> Self {
        Self::http(StatusCode::NOT_FOUND, "this gateway has no configuration that could be reloaded")
    }

    /// Creates the problem of an id under which nothing is stored.
    pub(super) fn no_record(id: RecordId) -> Self {
        Self::http(StatusCode::NOT_FOUND, "no record has this id; its time may be over").about(id)
    }

    /// Creates the problem of an `action` that the protocol does not allow for this record.
    pub(super) fn refused(action: &str, id: RecordId, refusal: Refusal) -> Self {
        let detail = match refusal {
            Refusal::Absent => return Self::no_record(id),
            Refusal::WrongState(record) => {
                let state = record.state.name();
                format!("a record that is {state} cannot be {action}{}", way_out(&record.state, action))
            }
            Refusal::TooEarly { until, .. } => format!(
                "the call may still be under way until {until}; from then on it can be {action} as not \
                 executed, before that only with force"
            ),
        };
        Self::http(StatusCode::CONFLICT, detail).about(id)
    }

    /// Names the part of the request that the problem is about.
    pub(super) fn within(self, part: &str) -> Self {
        Self::new(self.0.slug(), format!("{part}: {}", self.0.detail()))
    }

    /// Names the record that the problem is about.
    pub(super) fn about(self, id: RecordId) -> Self {
        Self(self.0.about(id))
    }
}

/// Returns the way to go on after an `action` that does not fit the state.
fn way_out(state: &State, action: &str) -> &'static str {
    match (state, action) {
        (State::Settled { .. } | State::Cleared { .. }, "resolved") => {
            "; a decision of an operator can be taken back first (reopen), while nothing has happened after it"
        }
        (State::Unknown { .. }, "deleted") => "; it has to be resolved first",
        (State::Running { .. }, _) => "; its call is still under way",
        _ => "",
    }
}

impl From<StoreError> for AdminProblem {
    fn from(error: StoreError) -> Self {
        let detail = error.to_string();
        match error {
            StoreError::Unavailable(_) | StoreError::Unclear(_) | StoreError::Refused(_) => {
                tracing::warn!(%error, "an admin request got no answer from the store");
                Self::new(Slug::StoreUnavailable, detail)
            }
            StoreError::Unreadable { id, .. } => {
                tracing::error!(%error, "an admin request met a record that cannot be decoded");
                Self::new(Slug::RecordUnreadable, detail).about(id)
            }
        }
    }
}

impl IntoResponse for AdminProblem {
    fn into_response(self) -> Response {
        self.0.into_admin_response()
    }
}
