//! The kinds of problems: a row for each slug, with its default facts and advice.

use http::StatusCode;
use serde::Serialize;

/// The kind of a problem, in the words of the contract.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Slug {
    /// Missing key on a route that requires one.
    KeyMissing,
    /// Invalid key: wrong syntax or length, or several values.
    KeyInvalid,
    /// A key that was used for a different request.
    PayloadMismatch,
    /// A first attempt that still runs.
    InFlight,
    /// A request that was sent and has no known answer.
    OutcomeUnknown,
    /// Connection failure before a byte was sent. The key is free again.
    UpstreamUnreachable,
    /// A key that was used before. Its response is no longer kept.
    KeyExpired,
    /// A completed operation without a kept response.
    ResponseNotRetained,
    /// An operation that is known to be executed, without a response.
    OutcomeSettled,
    /// A response of the upstream with a head that cannot be passed on.
    AnswerUnusable,
    /// A request body over the limit.
    RequestTooLarge,
    /// A store that did not answer. Nothing was sent.
    StoreUnavailable,
    /// A request shed before the claim.
    Overloaded,
    /// A request shed before the claim, because the gateway stops.
    ShuttingDown,
    /// A stored record that cannot be decoded.
    RecordUnreadable,
    /// A request without any of the parts by which the route distinguishes callers.
    CallerUnknown,
    /// A request that matches no route, without a fallback.
    NoRoute,
    /// A plain HTTP error that the contract has no word for.
    Http(StatusCode),
}

/// The answer's knowledge about whether the requested operation was executed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Executed {
    /// Known to be executed.
    Yes,
    /// Known not to be executed.
    No,
    /// Not known to this answer.
    Unknown,
}

/// Advice to the client about the next step.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Retry {
    /// Safe to retry later with this key.
    SameKey,
    /// Retry with a new key only: this key will never run the request.
    NewKey,
    /// No retry before the outcome is known.
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
    /// Returns the slug as it stands in `type`, in metrics and in logs.
    #[must_use]
    pub fn name(self) -> &'static str {
        self.row().name
    }

    /// Returns the usual status.
    #[must_use]
    pub fn status(self) -> StatusCode {
        self.row().status
    }

    /// Returns the title on the admin listener. It differs where the client's title speaks of the client's
    /// request.
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
                let title = "The record stored for this key cannot be read";
                ("record-unreadable", S::INTERNAL_SERVER_ERROR, title, Unknown, Never)
            }
            Self::CallerUnknown => (
                "caller-unknown",
                S::BAD_REQUEST,
                "Nothing in the request identifies its caller",
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
