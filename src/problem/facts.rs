//! What the body of a problem tells, before it has a shape.

use http::StatusCode;

use super::slug::{Executed, Retry, Slug};

/// The facts of one problem.
pub(super) struct Facts<'p> {
    pub(super) slug: Slug,
    pub(super) status: StatusCode,
    pub(super) executed: Executed,
    pub(super) retry: Retry,
    pub(super) detail: &'p str,
    /// Id of the record that was read.
    pub(super) record: Option<String>,
    /// Status of a response of the upstream that is not shown.
    pub(super) original_status: Option<u16>,
}

impl Facts<'_> {
    /// Returns the `type` of the problem. `docs` replaces the start of the URN.
    pub(super) fn problem_type(&self, docs: Option<&str>) -> String {
        match (self.slug, docs) {
            (Slug::Http(_), _) => "about:blank".to_owned(),
            (slug, Some(docs)) => format!("{docs}#{}", slug.name()),
            (slug, None) => format!("urn:oncegate:problem:{}", slug.name()),
        }
    }

    /// Returns the type of error in the terms of Stripe's API. Its clients take a body without a type for a
    /// success.
    pub(super) fn error_type(&self) -> &'static str {
        match self.slug {
            Slug::PayloadMismatch => "idempotency_error",
            _ if self.status.is_client_error() && self.retry == Retry::NewKey => "invalid_request_error",
            _ => "api_error",
        }
    }
}
