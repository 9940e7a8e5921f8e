//! The problems of the gateway, one table for clients and for operators (RFC 9457): what is known and
//! advised, and the response made of it.

use std::borrow::Cow;

use axum::body::Body;
use bytes::Bytes;
use http::header::{ALLOW, CACHE_CONTROL, CONNECTION, CONTENT_TYPE, RETRY_AFTER};
use http::{HeaderMap, HeaderValue, Response, StatusCode};
use serde::Serialize;

use crate::clock::Timestamp;
use crate::headers::{
    IDEMPOTENCY_EXECUTED, IDEMPOTENCY_EXPIRES, IDEMPOTENCY_PROTECTED, IDEMPOTENCY_RECORD,
    STRIPE_SHOULD_RETRY, X_SHOULD_RETRY,
};
use crate::protocol::{RecordId, hex};

use self::slug::Row;

mod slug;

pub use self::slug::{Executed, Retry, Slug};

/// A problem on its way to a client.
#[derive(Clone, Debug)]
pub struct Problem {
    slug: Slug,
    status: StatusCode,
    executed: Executed,
    retry: Retry,
    detail: Cow<'static, str>,
    record: Option<RecordId>,
    retry_after_s: Option<u64>,
    original_status: Option<u16>,
    closes: bool,
    allow: Option<&'static str>,
    /// The time until which the record of an executed operation stays as it is.
    expires: Option<Timestamp>,
    /// True if the request carries a key that protects nothing.
    unprotected: bool,
}

impl Problem {
    /// Makes the problem `slug`, with a sentence for the developer of the client.
    #[must_use]
    pub fn new(slug: Slug, detail: impl Into<Cow<'static, str>>) -> Self {
        let Row { status, executed, retry, .. } = slug.row();
        let detail = detail.into();
        let retry_after_s = match slug {
            Slug::InFlight | Slug::UpstreamUnreachable | Slug::StoreUnavailable => Some(1),
            Slug::Overloaded | Slug::ShuttingDown => Some(1),
            _ => None,
        };
        Self {
            slug,
            status,
            executed,
            retry,
            detail,
            record: None,
            retry_after_s,
            original_status: None,
            closes: false,
            allow: None,
            expires: None,
            unprotected: false,
        }
    }

    /// Makes the problem of a gateway that has as much to do as it is allowed to.
    #[must_use]
    pub fn overloaded() -> Self {
        Self::new(Slug::Overloaded, "Nothing was sent. Retry with the same key.")
    }

    /// Names the record that was read.
    #[must_use]
    pub fn about(self, record: RecordId) -> Self {
        Self { record: Some(record), ..self }
    }

    /// Changes the status from 409 to 504, for attempts that were present when the execution was lost.
    #[must_use]
    pub fn present(self) -> Self {
        Self { status: StatusCode::GATEWAY_TIMEOUT, ..self }
    }

    /// Applies [`Problem::present`] to an unknown outcome, and leaves any other problem as it is.
    #[must_use]
    pub fn present_if_unknown(self) -> Self {
        if self.slug == Slug::OutcomeUnknown { self.present() } else { self }
    }

    /// Replaces the known facts and the advice, if the caller knows more than the slug says.
    #[must_use]
    pub fn advising(self, executed: Executed, retry: Retry) -> Self {
        Self { executed, retry, ..self }
    }

    /// Names the time after which a repeated request may get another answer.
    #[must_use]
    pub fn retrying_after(self, seconds: u64) -> Self {
        Self { retry_after_s: Some(seconds), ..self }
    }

    /// Names the methods that are allowed, for a 405.
    #[must_use]
    pub fn allowing(self, methods: &'static str) -> Self {
        Self { allow: Some(methods), ..self }
    }

    /// Makes the problem of an upstream response with `status` and a head that cannot be passed on.
    #[must_use]
    pub fn answer_unusable(status: u16) -> Self {
        let detail = "The upstream answered, but the head of its answer is larger than response_head_limit or has \
                      more lines than can be passed on.";
        Self::new(Slug::AnswerUnusable, detail).original_status(status)
    }

    /// Adds the status of a response that was not kept.
    #[must_use]
    pub fn original_status(self, status: u16) -> Self {
        Self { original_status: Some(status), ..self }
    }

    /// Adds the time until which the operation's record stays as it is.
    #[must_use]
    pub fn expiring(self, at: Option<Timestamp>) -> Self {
        Self { expires: at, ..self }
    }

    /// Marks that the request carries a key that protects nothing.
    #[must_use]
    pub fn unprotected(self) -> Self {
        Self { unprotected: true, ..self }
    }

    /// Ends the connection with the answer, because the request was not read to its end.
    #[must_use]
    pub fn closing(self) -> Self {
        Self { closes: true, ..self }
    }

    /// Returns the slug, which metrics and log use as the outcome.
    #[must_use]
    pub fn slug(&self) -> Slug {
        self.slug
    }

    /// Returns the sentence for the developer of the client.
    #[must_use]
    pub fn detail(&self) -> &str {
        &self.detail
    }

    /// Returns the record that was read, if any.
    #[must_use]
    pub fn record(&self) -> Option<RecordId> {
        self.record
    }

    /// Makes the response. `type` starts with `docs`, or with the URN if `docs` is `None`.
    #[must_use]
    pub fn into_response(self, docs: Option<&str>) -> Response<Body> {
        let row = self.slug.row();
        let members = Members {
            kind: &self.kind(docs),
            title: row.title,
            status: self.status.as_u16(),
            detail: &self.detail,
            executed: self.executed,
            retry: self.retry,
            record: self.record.map(|record| record.to_string()),
            original_status: self.original_status,
            error: ErrorMember { kind: self.error_type(), code: row.name, message: &self.detail },
        };
        let mut response = document(self.status, &members);
        let headers = response.headers_mut();
        headers.insert(IDEMPOTENCY_EXECUTED, self.executed.header());
        advise(headers, self.may_be_repeated());
        if let Some(record) = self.record {
            headers.insert(IDEMPOTENCY_RECORD, record_header(record));
        }
        if let Some(at) = self.expires {
            headers.insert(IDEMPOTENCY_EXPIRES, expires_header(at));
        }
        if self.unprotected {
            headers.insert(IDEMPOTENCY_PROTECTED, HeaderValue::from_static("false"));
        }
        if let Some(methods) = self.allow {
            headers.insert(ALLOW, HeaderValue::from_static(methods));
        }
        if let Some(seconds) = self.retry_after_s {
            headers.insert(RETRY_AFTER, HeaderValue::from(seconds));
        }
        if self.closes {
            headers.insert(CONNECTION, HeaderValue::from_static("close"));
        }
        response
    }

    /// Returns the response of the admin listener, which advises no client.
    #[must_use]
    pub fn into_admin_response(self) -> Response<Body> {
        let members = AdminMembers {
            kind: &self.kind(None),
            title: self.slug.admin_title(),
            status: self.status.as_u16(),
            detail: &self.detail,
            record: self.record.map(|record| record.to_string()),
        };
        document(self.status, &members)
    }

    /// Returns the `type` of the problem. `docs` replaces the start of the URN.
    fn kind(&self, docs: Option<&str>) -> String {
        match (self.slug, docs) {
            (Slug::Http(_), _) => "about:blank".to_owned(),
            (slug, Some(docs)) => format!("{docs}#{}", slug.name()),
            (slug, None) => format!("urn:oncegate:problem:{}", slug.name()),
        }
    }

    /// Tells whether a client may repeat the request automatically. If nothing in the request tells the
    /// caller, the same request would be refused again.
    fn may_be_repeated(&self) -> bool {
        self.retry == Retry::SameKey && self.slug != Slug::CallerUnknown
    }

    /// Returns the type of error in the terms of Stripe's API. Its clients take a body without a type for a
    /// success.
    fn error_type(&self) -> &'static str {
        match self.slug {
            Slug::PayloadMismatch => "idempotency_error",
            _ if self.status.is_client_error() && self.retry == Retry::NewKey => "invalid_request_error",
            _ => "api_error",
        }
    }
}

impl Executed {
    fn header(self) -> HeaderValue {
        HeaderValue::from_static(match self {
            Self::Yes => "yes",
            Self::No => "no",
            Self::Unknown => "unknown",
        })
    }
}

/// Returns a response with this problem document. No cache may keep it.
fn document(status: StatusCode, members: &impl Serialize) -> Response<Body> {
    let body = serde_json::to_vec(members).expect("strings and numbers always serialize");
    let mut response = Response::new(Body::from(body));
    *response.status_mut() = status;
    let headers = response.headers_mut();
    headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/problem+json"));
    headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
    response
}

/// Tells clients with automatic retries whether to retry, and replaces the upstream's own advice.
pub fn advise(headers: &mut HeaderMap, repeat: bool) {
    let value = HeaderValue::from_static(if repeat { "true" } else { "false" });
    headers.insert(STRIPE_SHOULD_RETRY, value.clone());
    headers.insert(X_SHOULD_RETRY, value);
}

/// Formats the end of a response's ttl as a header value.
pub fn expires_header(at: Timestamp) -> HeaderValue {
    HeaderValue::try_from(at.to_http_date()).expect("a date is visible text")
}

/// Formats the id of a record as a header value.
pub fn record_header(record: RecordId) -> HeaderValue {
    let mut id = [0; 40];
    hex::write(record.as_bytes(), &mut id);
    let id = Bytes::copy_from_slice(&id);
    HeaderValue::from_maybe_shared(id).expect("hexadecimal digits")
}

#[derive(Serialize)]
struct Members<'a> {
    #[serde(rename = "type")]
    kind: &'a str,
    title: &'a str,
    status: u16,
    detail: &'a str,
    executed: Executed,
    retry: Retry,
    #[serde(skip_serializing_if = "Option::is_none")]
    record: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    original_status: Option<u16>,
    error: ErrorMember<'a>,
}

/// The members of a problem on the admin listener, in the order in which they are shown.
#[derive(Serialize)]
struct AdminMembers<'a> {
    #[serde(rename = "type")]
    kind: &'a str,
    title: &'a str,
    status: u16,
    detail: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    record: Option<String>,
}

/// The problem in the form that clients of Stripe's API read.
#[derive(Serialize)]
struct ErrorMember<'a> {
    #[serde(rename = "type")]
    kind: &'static str,
    code: &'static str,
    message: &'a str,
}
