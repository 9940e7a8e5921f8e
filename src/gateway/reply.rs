//! Responses that are not problems: the first answer, a replay, an answer passed on with a mark,
//! and whatever a record says to somebody who asks.

use axum::body::Body;
use http::{HeaderName, HeaderValue, Response};

use crate::protocol::header::{IDEMPOTENCY_OUTCOME, IDEMPOTENCY_STORED, IDEMPOTENT_REPLAYED};
use crate::protocol::{Executed, RecordId, StoredResponse, Verdict};
use crate::store::Decision;

use super::problem::{Problem, Slug};

/// A response on its way out, and what the metrics and the log call it.
#[derive(Debug)]
pub(super) struct Reply {
    pub(super) response: Response<Body>,
    pub(super) outcome: &'static str,
    pub(super) record: Option<RecordId>,
}

/// Why an upstream's answer is passed on without being THE response.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Mark {
    /// It could not be stored in time. It is true, but later answers may differ.
    Unstored,
    /// The upstream did not act, and the key is free again.
    Released,
    /// It does not say whether the upstream acted, or that it did not could not be recorded.
    Unknown,
}

impl Mark {
    fn header(self) -> (HeaderName, HeaderValue) {
        match self {
            Self::Unstored => (IDEMPOTENCY_STORED, HeaderValue::from_static("false")),
            Self::Released => (IDEMPOTENCY_OUTCOME, HeaderValue::from_static("released")),
            Self::Unknown => (IDEMPOTENCY_OUTCOME, HeaderValue::from_static("unknown")),
        }
    }

    fn outcome(self) -> &'static str {
        match self {
            Self::Unstored => "completed",
            Self::Released => "released",
            Self::Unknown => Slug::OutcomeUnknown.name(),
        }
    }
}

impl Reply {
    /// Names the record, for the log.
    pub(super) fn about(self, record: RecordId) -> Self {
        Self { record: Some(record), ..self }
    }

    /// With another body, or more about it.
    pub(super) fn map_body(self, map: impl FnOnce(Body) -> Body) -> Self {
        Self { response: self.response.map(map), ..self }
    }

    /// The first response to an operation, stored by now.
    pub(super) fn first(response: Response<Body>) -> Self {
        Self { response, outcome: "completed", record: None }
    }

    /// An answer to a request that no key protects.
    pub(super) fn unprotected(response: Response<Body>) -> Self {
        Self { response, outcome: "unprotected", record: None }
    }

    /// An answer to an attempt that was forwarded without the store.
    pub(super) fn bypassed(response: Response<Body>) -> Self {
        Self { outcome: "unprotected", ..Self::marked(response, Mark::Unstored) }
    }

    /// An answer that is not THE response.
    pub(super) fn marked(mut response: Response<Body>, mark: Mark) -> Self {
        let (name, value) = mark.header();
        response.headers_mut().insert(name, value);
        Self { response, outcome: mark.outcome(), record: None }
    }

    /// The stored response once more: the same bytes, and the header that says so.
    pub(super) fn replay(kept: &StoredResponse) -> Self {
        let mut response = Response::new(Body::from(kept.body.clone()));
        *response.status_mut() = kept.status;
        for (name, value) in &kept.headers {
            response.headers_mut().append(name, value.clone());
        }
        response.headers_mut().insert(IDEMPOTENT_REPLAYED, HeaderValue::from_static("true"));
        Self { response, outcome: "replayed", record: None }
    }
}

/// What the record of an operation says to an attempt that may not run it.
pub(super) fn standing(id: RecordId, decision: &Decision) -> Result<Reply, Problem> {
    let problem = match decision.verdict {
        Verdict::Replay(reference) => match &decision.response {
            Some(kept) => return Ok(Reply::replay(kept)),
            None => not_retained(reference.status),
        },
        Verdict::Mismatch => Problem::new(
            Slug::PayloadMismatch,
            "The same key came with another method, path, query, header or body. Use a new key for a new operation.",
        ),
        Verdict::Settled => Problem::new(
            Slug::OutcomeSettled,
            "The operation is known to be executed, but its response is not. Look the result up in the upstream API.",
        ),
        Verdict::Expired(Executed::Yes) => Problem::new(
            Slug::KeyExpired,
            "The operation was executed, and its response was kept until its ttl ended. It will not run again.",
        ),
        Verdict::InFlight => in_flight(),
        _ => outcome_unknown(),
    };
    Err(problem.about(id))
}

/// The first attempt still runs.
pub(super) fn in_flight() -> Problem {
    Problem::new(Slug::InFlight, "Retry with the same key to get the answer of the first attempt.")
}

/// Nobody knows, and nobody will run it again.
pub(super) fn outcome_unknown() -> Problem {
    Problem::new(
        Slug::OutcomeUnknown,
        "The request was sent to the upstream and no usable answer came back. It will not be sent again until \
         somebody finds out what happened.",
    )
}

/// Executed, but too large or too long to be kept.
pub(super) fn not_retained(status: u16) -> Problem {
    let detail = "The operation was executed once. Its response was passed on to the first attempt, but was too large \
                  or too long to be kept.";
    Problem::new(Slug::ResponseNotRetained, detail).original_status(status)
}
