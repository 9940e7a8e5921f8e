//! Responses that are not problems: the first response, a replay, a response passed on for a reason, and the
//! answer that a record gives to an attempt.

use axum::body::Body;
use http::{HeaderName, HeaderValue, Response};

use crate::clock::Timestamp;
use crate::headers::{
    IDEMPOTENCY_EXPIRES, IDEMPOTENCY_OUTCOME, IDEMPOTENCY_RECORD, IDEMPOTENCY_STORED, IDEMPOTENT_REPLAYED,
    STRIPE_SHOULD_RETRY, X_SHOULD_RETRY,
};
use crate::problem::{self, Problem, Retry, Slug, advise, expires_header, record_header};
use crate::protocol::{Executed, OnUnknown, Record, RecordId, Standing, State, StoredResponse};

/// A response on its way out, and its outcome in metrics and log.
#[derive(Debug)]
pub(super) struct Reply {
    pub(super) response: Response<Body>,
    pub(super) outcome: &'static str,
}

/// The reason why an upstream's response is passed on without being the stored response of the operation.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum PassOnReason {
    /// A response that could not be stored in time. It is true, but later answers may differ.
    Unstored,
    /// A response of an upstream that did not act. The key is free again.
    Released,
    /// A response that does not say whether the upstream acted, or a release that could not be recorded.
    Unknown(Unsettled),
}

/// The prospect of an unknown outcome.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Unsettled {
    /// The outcome waits for an operator or a late completion.
    Held,
    /// Evidence is asked for, from this number of seconds on.
    AskedFor(u64),
    /// The next attempt with the same bytes runs the operation again.
    RunsAgain,
    /// The operation may run again, but not with the bytes of this attempt.
    OtherBytes,
}

impl Unsettled {
    /// Returns the prospect of an operation with an unknown outcome, by its policy. After the deadline the
    /// answer may come at any time, but a client need not ask every second.
    pub(super) fn of(record: &Record, now: Timestamp) -> Self {
        const AGAIN: u64 = 5;
        match (record.policy.on_unknown, record.state) {
            _ if !record.may_be_settled(now) => Self::Held,
            (OnUnknown::Retry { .. }, _) => Self::RunsAgain,
            (_, State::Unknown { quiet_at, .. }) if now >= quiet_at => Self::AskedFor(AGAIN),
            (_, State::Unknown { quiet_at, .. }) => Self::AskedFor(quiet_at.since(now).as_secs() + 1),
            _ => Self::AskedFor(record.policy.lease.saturating_add(record.policy.response_timeout).as_secs()),
        }
    }

    /// Returns the prospect as a sentence for the developer of the client.
    fn text(self) -> &'static str {
        match self {
            Self::Held => "It will not be sent again until an operator finds out what happened.",
            Self::AskedFor(_) => {
                "Retry with the same key: the upstream's own evidence decides before anything is sent again."
            }
            Self::RunsAgain => {
                "Retry with the same key and the same request: it is sent again with that key."
            }
            Self::OtherBytes => {
                "It may be sent again, but only with the path, the query and the body of the first attempt, byte \
                 by byte."
            }
        }
    }

    fn is_held(self) -> bool {
        matches!(self, Self::Held | Self::OtherBytes)
    }
}

impl PassOnReason {
    fn header(self) -> (HeaderName, HeaderValue) {
        match self {
            Self::Unstored => (IDEMPOTENCY_STORED, HeaderValue::from_static("false")),
            Self::Released => (IDEMPOTENCY_OUTCOME, HeaderValue::from_static("released")),
            Self::Unknown(_) => (IDEMPOTENCY_OUTCOME, HeaderValue::from_static("unknown")),
        }
    }

    /// Returns the outcome of a response passed on for this reason, as metrics and log name it.
    pub(super) fn outcome(self) -> &'static str {
        match self {
            Self::Unstored => "completed",
            Self::Released => "released",
            Self::Unknown(_) => Slug::OutcomeUnknown.name(),
        }
    }
}

impl Reply {
    /// Names the record to the client.
    pub(super) fn about(mut self, record: RecordId) -> Self {
        self.response.headers_mut().insert(IDEMPOTENCY_RECORD, record_header(record));
        self
    }

    /// Maps the body of the response.
    pub(super) fn map_body(self, map: impl FnOnce(Body) -> Body) -> Self {
        Self { response: self.response.map(map), ..self }
    }

    /// Makes a reply of the first response to an operation, stored by now. It is replayed until `expires`.
    pub(super) fn first(mut response: Response<Body>, expires: Option<Timestamp>) -> Self {
        if let Some(at) = expires {
            response.headers_mut().insert(IDEMPOTENCY_EXPIRES, expires_header(at));
        }
        Self { response, outcome: "completed" }
    }

    /// Makes a reply to a request that no key protects.
    pub(super) fn unprotected(response: Response<Body>) -> Self {
        Self { response, outcome: "unprotected" }
    }

    /// Makes a reply to an attempt that was forwarded without the store.
    pub(super) fn bypassed(response: Response<Body>) -> Self {
        Self { outcome: "unprotected", ..Self::passed_on(response, PassOnReason::Unstored) }
    }

    /// Makes a reply that is not the stored response of the operation.
    pub(super) fn passed_on(mut response: Response<Body>, reason: PassOnReason) -> Self {
        let (name, value) = reason.header();
        response.headers_mut().insert(name, value);
        if matches!(reason, PassOnReason::Unknown(unsettled) if unsettled.is_held()) {
            advise(response.headers_mut(), false);
        }
        Self { response, outcome: reason.outcome() }
    }

    /// Replays the stored response: the same bytes, and the header that marks a replay. The upstream's own
    /// retry advice concerned the first request and is not true of a replay, which stays the same however
    /// often it is asked for.
    pub(super) fn replay(kept: &StoredResponse, expires: Option<Timestamp>) -> Self {
        let mut response = Response::new(Body::from(kept.body.clone()));
        *response.status_mut() = kept.status;
        // The headers that are added here, and the record's.
        response.headers_mut().reserve(kept.headers.len() + 3);
        for (name, value) in &kept.headers {
            response.headers_mut().append(name, value.clone());
        }
        let headers = response.headers_mut();
        headers.insert(IDEMPOTENT_REPLAYED, HeaderValue::from_static("true"));
        if let Some(at) = expires {
            headers.insert(IDEMPOTENCY_EXPIRES, expires_header(at));
        }
        for name in [STRIPE_SHOULD_RETRY, X_SHOULD_RETRY] {
            headers.remove(name);
        }
        if kept.status.is_server_error() || matches!(kept.status.as_u16(), 409 | 429) {
            advise(headers, false);
        }
        Self { response, outcome: "replayed" }
    }
}

/// Returns the answer that the record of an operation gives to an attempt that may not run it. `kept` is the
/// stored response, if there is one.
pub(super) fn reply_to(
    id: RecordId,
    standing: &Standing,
    kept: Option<&StoredResponse>,
    unsettled: Unsettled,
) -> Result<Reply, Problem> {
    let problem = match (standing, kept) {
        (Standing::Replay(record, _), Some(kept)) => return Ok(Reply::replay(kept, replayed_until(record))),
        (Standing::Replay(record, reference), None) => {
            not_retained(reference.status).expiring(replayed_until(record))
        }
        (Standing::Mismatch(record), _) => mismatch(record),
        (Standing::Settled(_), _) => Problem::new(
            Slug::OutcomeSettled,
            "The operation is known to be executed, but its response is not. Look the result up in the upstream API.",
        ),
        (Standing::Expired(_, Executed::Yes), _) => Problem::new(
            Slug::KeyExpired,
            "The operation was executed, and its response was kept until its ttl ended. It will not run again.",
        ),
        (Standing::InFlight(_), _) => in_flight(),
        (Standing::Unknown(_), _) => outcome_unknown(unsettled),
        (Standing::Expired(_, Executed::Unknown), _) => outcome_unknown(Unsettled::Held),
        // An attempt compares again before it is answered.
        (Standing::OtherScheme(_), _) => outcome_unknown(Unsettled::Held),
    };
    Err(problem.about(id))
}

/// Returns the problem of an attempt with a key that belongs to another request.
fn mismatch(record: &Record) -> Problem {
    if !is_undecided(record) {
        return Problem::new(
            Slug::PayloadMismatch,
            "The same key came with another method, path, query, header or body. Use a new key for a new operation.",
        );
    }
    let detail = "The same key came with another method, path, query, header or body, and the outcome of that request \
                  is not known. Find out the outcome before you send this request under a new key.";
    Problem::new(Slug::PayloadMismatch, detail).advising(problem::Executed::No, Retry::Never)
}

/// Returns the time until which the response of a completed record is replayed, by the store's clock.
pub(super) fn replayed_until(record: &Record) -> Option<Timestamp> {
    matches!(record.state, State::Completed { .. }).then(|| record.deadline())
}

/// Tells whether a record, or a tombstone, leaves open whether the operation was executed.
fn is_undecided(record: &Record) -> bool {
    matches!(record.state, State::Unknown { .. } | State::Expired { executed: Executed::Unknown, .. })
}

/// Makes the problem for an operation with a first attempt that still runs.
pub(super) fn in_flight() -> Problem {
    Problem::new(Slug::InFlight, "Retry with the same key to get the answer of the first attempt.")
}

/// Makes the problem for an unknown outcome.
pub(super) fn outcome_unknown(unsettled: Unsettled) -> Problem {
    let sent = "The request was sent to the upstream and no usable answer came back.";
    advised(Problem::new(Slug::OutcomeUnknown, format!("{sent} {}", unsettled.text())), unsettled)
}

/// Makes the problem for an upstream status that does not say whether the upstream acted.
pub(super) fn status_says_nothing(status: u16, unsettled: Unsettled) -> Problem {
    let detail =
        format!("The upstream answered {status}, which does not say whether it acted. {}", unsettled.text());
    advised(Problem::new(Slug::OutcomeUnknown, detail), unsettled).present().original_status(status)
}

fn advised(problem: Problem, unsettled: Unsettled) -> Problem {
    let same_key = |problem: Problem| problem.advising(problem::Executed::Unknown, Retry::SameKey);
    match unsettled {
        Unsettled::Held | Unsettled::OtherBytes => problem,
        Unsettled::RunsAgain => same_key(problem).retrying_after(1),
        Unsettled::AskedFor(seconds) => same_key(problem).retrying_after(seconds),
    }
}

/// Makes the problem for an executed operation with a response that was too large, or took too long, to be
/// kept.
pub(super) fn not_retained(status: u16) -> Problem {
    let detail = "The operation was executed once. Its response was passed on to the first attempt, but was too large \
                  or too long to be kept.";
    Problem::new(Slug::ResponseNotRetained, detail).original_status(status)
}
