//! The problems of the gateway, one table for clients and for operators (RFC 9457): what is known and
//! advised, and the response made of it.

use std::borrow::Cow;

use axum::body::Body;
use bytes::Bytes;
use http::header::{ALLOW, CACHE_CONTROL, CONNECTION, CONTENT_TYPE, RETRY_AFTER};
use http::{HeaderMap, HeaderValue, Response, StatusCode};

use crate::clock::Timestamp;
use crate::headers::{
    IDEMPOTENCY_EXECUTED, IDEMPOTENCY_EXPIRES, IDEMPOTENCY_PROTECTED, IDEMPOTENCY_RECORD,
    STRIPE_SHOULD_RETRY, X_SHOULD_RETRY,
};
use crate::protocol::{RecordId, hex};

use self::document::PROBLEM_JSON;
use self::facts::Facts;
use self::slug::Row;

mod document;
mod facts;
mod format;
mod shape;
mod slug;
mod template;

pub use self::format::ContentType;
pub use self::shape::{CustomShape, Shape, ShapeOfRequest, SlugWords, Wording};
pub use self::slug::{Executed, Retry, Slug};
pub use self::template::Template;

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

    /// Returns the answer's knowledge about whether the operation was executed.
    #[must_use]
    pub fn executed(&self) -> Executed {
        self.executed
    }

    /// Returns the advice to the client.
    #[must_use]
    pub fn retry(&self) -> Retry {
        self.retry
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

    /// Makes the response in the usual shape. `type` starts with `docs`, or with the URN if `docs` is `None`.
    #[must_use]
    pub fn into_response(self, docs: Option<&str>) -> Response<Body> {
        self.in_shape(&Shape::Rfc9457, docs)
    }

    /// Makes the response in the shape for its request. The headers of the contract are the same in each
    /// shape.
    #[must_use]
    pub fn into_response_to(self, request: ShapeOfRequest, docs: Option<&str>) -> Response<Body> {
        let mut response = self.in_shape(&request.shape, docs);
        for (name, value) in request.echoed {
            response.headers_mut().append(name, value);
        }
        response
    }

    fn in_shape(self, shape: &Shape, docs: Option<&str>) -> Response<Body> {
        let mut response = response(self.wording(shape, docs));
        let headers = response.headers_mut();
        headers.insert(IDEMPOTENCY_EXECUTED, HeaderValue::from_static(self.executed.name()));
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
        response(Wording {
            status: self.status,
            content_type: HeaderValue::from_static(PROBLEM_JSON),
            body: document::admin(&self.facts()),
            headers: Vec::new(),
        })
    }

    /// Words the problem in a shape. `docs` is the address of the documentation, if there is one.
    #[must_use]
    pub fn wording(&self, shape: &Shape, docs: Option<&str>) -> Wording {
        shape.word(self.facts(), docs)
    }

    fn facts(&self) -> Facts<'_> {
        Facts {
            slug: self.slug,
            status: self.status,
            executed: self.executed,
            retry: self.retry,
            detail: &self.detail,
            record: self.record.map(|record| record.to_string()),
            original_status: self.original_status,
        }
    }

    /// Tells whether a client may repeat the request automatically. If nothing in the request tells the
    /// caller, the same request would be refused again.
    fn may_be_repeated(&self) -> bool {
        self.retry == Retry::SameKey && self.slug != Slug::CallerUnknown
    }
}

/// Returns a response with these words. No cache may keep it.
fn response(Wording { status, content_type, body, headers: own }: Wording) -> Response<Body> {
    let mut response = Response::new(Body::from(body));
    *response.status_mut() = status;
    let headers = response.headers_mut();
    headers.extend(own);
    headers.insert(CONTENT_TYPE, content_type);
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
