//! The kinds of problems: a row for each slug, with what it says unless more is known.

use http::StatusCode;
use serde::Serialize;

/// What went wrong, in the words of the contract.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Slug {
    /// The route requires a key.
    KeyMissing,
    /// Syntax, length or several values.
    KeyInvalid,
    /// The key was used for a different request.
    PayloadMismatch,
    /// The first attempt still runs.
    InFlight,
    /// Sent, and no answer is known.
    OutcomeUnknown,
    /// Nothing was sent; the key is free again.
    UpstreamUnreachable,
    /// Used before, response no longer kept.
    KeyExpired,
    /// Completed, but the response was not kept.
    ResponseNotRetained,
    /// Known to be executed, without a response.
    OutcomeSettled,
    /// The upstream answered with a head that cannot be passed on.
    AnswerUnusable,
    /// The body is over the limit.
    RequestTooLarge,
    /// The store did not answer; nothing was sent.
    StoreUnavailable,
    /// Shed before the claim.
    Overloaded,
    /// Shed before the claim, because the gateway stops.
    ShuttingDown,
    /// The stored record cannot be decoded.
    RecordUnreadable,
    /// None of what the route tells callers apart by was sent.
    CallerUnknown,
    /// Nothing matches and there is no fallback.
    NoRoute,
    /// A plain HTTP error that the contract has no word for.
    Http(StatusCode),
}

/// Whether what the request asks for happened, as far as the answer can know.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Executed {
    /// It happened.
    Yes,
    /// It did not.
    No,
    /// This answer cannot know.
    Unknown,
}

/// What a client may do next.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Retry {
    /// Safe later with this key.
    SameKey,
    /// This key will never run this, a new one may.
    NewKey,
    /// Find out first.
    Never,
}

/// The fixed part of a problem.
pub(super) struct Row {
    pub(super) name: &'static str,
    pub(super) status: StatusCode,
    pub(super) title: &'static str,
    pub(super) executed: Executed,
    pub(super) retry: Retry,
}

impl Slug {
    /// The slug as it stands in `type`, in metrics and in logs.
    #[must_use]
    pub fn name(self) -> &'static str {
        self.row().name
    }

    /// Returns the title on the admin listener. It differs where the client's title speaks of the client's request.
    pub(super) fn admin_title(self) -> &'static str {
        match self {
            Self::KeyInvalid => "The key is not valid",
            Self::RequestTooLarge => "The request is too large",
            Self::StoreUnavailable => "The store does not answer",
            Self::RecordUnreadable => "The stored record cannot be decoded",
            Self::ShuttingDown => "The gateway shuts down",
            _ => self.row().title,
        }
    }

    pub(super) fn row(self) -> Row {
        use Executed::{No, Unknown, Yes};
        use Retry::{Never, NewKey, SameKey};
        use StatusCode as S;
        let (name, status, title, executed, retry) = match self {
            Self::KeyMissing => {
                ("key-missing", S::BAD_REQUEST, "This route requires an idempotency key", No, NewKey)
            }
            Self::KeyInvalid => {
                ("key-invalid", S::BAD_REQUEST, "The idempotency key is not valid", No, NewKey)
            }
            Self::PayloadMismatch => {
                let title = "The idempotency key was used for a different request";
                ("payload-mismatch", S::UNPROCESSABLE_ENTITY, title, No, NewKey)
            }
            Self::InFlight => {
                ("in-flight", S::CONFLICT, "The first attempt with this key still runs", Unknown, SameKey)
            }
            Self::OutcomeUnknown => {
                ("outcome-unknown", S::CONFLICT, "It is not known whether this was executed", Unknown, Never)
            }
            Self::UpstreamUnreachable => {
                ("upstream-unreachable", S::BAD_GATEWAY, "Nothing was sent to the upstream", No, SameKey)
            }
            Self::KeyExpired => {
                ("key-expired", S::GONE, "Executed before; its response is no longer kept", Yes, Never)
            }
            Self::ResponseNotRetained => {
                ("response-not-retained", S::GONE, "Executed; its response was not kept", Yes, Never)
            }
            Self::OutcomeSettled => {
                ("outcome-settled", S::CONFLICT, "Executed; its response is not known", Yes, Never)
            }
            Self::AnswerUnusable => (
                "answer-unusable",
                S::BAD_GATEWAY,
                "The upstream's answer cannot be passed on",
                Unknown,
                Never,
            ),
            Self::RequestTooLarge => {
                let title = "The request body is larger than a protected request may be";
                ("request-too-large", S::PAYLOAD_TOO_LARGE, title, No, Never)
            }
            Self::StoreUnavailable => {
                let title = "The idempotency store does not answer";
                ("store-unavailable", S::SERVICE_UNAVAILABLE, title, Unknown, SameKey)
            }
            Self::Overloaded => {
                ("overloaded", S::SERVICE_UNAVAILABLE, "The gateway is at its limit", Unknown, SameKey)
            }
            Self::ShuttingDown => {
                ("shutting-down", S::SERVICE_UNAVAILABLE, "The gateway is shutting down", Unknown, SameKey)
            }
            Self::RecordUnreadable => {
                let title = "What is stored for this key cannot be read";
                ("record-unreadable", S::INTERNAL_SERVER_ERROR, title, Unknown, Never)
            }
            Self::CallerUnknown => (
                "caller-unknown",
                S::BAD_REQUEST,
                "Nothing in the request tells its caller",
                Unknown,
                SameKey,
            ),
            Self::NoRoute => ("no-route", S::NOT_FOUND, "No route matches this request", Unknown, Never),
            Self::Http(status) => {
                let title = status.canonical_reason().unwrap_or("HTTP error");
                let retry = if status == S::REQUEST_TIMEOUT { SameKey } else { Never };
                ("http-error", status, title, Unknown, retry)
            }
        };
        Row { name, status, title, executed, retry }
    }
}
