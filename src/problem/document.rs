//! The bodies of problems whose members are fixed: the document of RFC 9457, for clients and for operators,
//! and the error object of Stripe's API.

use serde::Serialize;

use super::facts::Facts;
use super::slug::{Executed, Retry, Slug};

/// Content type of the document of RFC 9457.
pub(super) const PROBLEM_JSON: &str = "application/problem+json";

/// Returns the document of RFC 9457 with this `type`. `code` is that of its `error` member.
pub(super) fn rfc9457(facts: &Facts<'_>, kind: &str, code: &str) -> Vec<u8> {
    json(&Members {
        kind,
        title: facts.slug.row().title,
        status: facts.status.as_u16(),
        detail: facts.detail,
        executed: facts.executed,
        retry: facts.retry,
        record: facts.record.as_deref(),
        original_status: facts.original_status,
        error: ErrorMember { kind: facts.error_type(), code, message: facts.detail },
    })
}

/// Returns the document of RFC 9457 for the admin listener.
pub(super) fn admin(facts: &Facts<'_>) -> Vec<u8> {
    json(&AdminMembers {
        kind: &facts.problem_type(None),
        title: facts.slug.admin_title(),
        status: facts.status.as_u16(),
        detail: facts.detail,
        record: facts.record.as_deref(),
    })
}

/// Returns the error object of Stripe's API. Its clients ignore the members that Stripe does not have; they
/// are for the people who read a log.
pub(super) fn stripe(facts: &Facts<'_>, docs: Option<&str>) -> Vec<u8> {
    let code = match facts.slug {
        Slug::InFlight => "idempotency_key_in_use".to_owned(),
        slug => slug.name().replace('-', "_"),
    };
    let kind = match facts.slug {
        // Stripe's own type for this code.
        Slug::InFlight => "invalid_request_error",
        _ => facts.error_type(),
    };
    json(&StripeDocument {
        error: StripeError {
            kind,
            code: &code,
            message: facts.detail,
            doc_url: docs.map(|docs| format!("{docs}#{}", facts.slug.name())),
            executed: facts.executed,
            retry: facts.retry,
            record: facts.record.as_deref(),
            original_status: facts.original_status,
        },
    })
}

fn json(members: &impl Serialize) -> Vec<u8> {
    serde_json::to_vec(members).expect("strings and numbers always serialize")
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
    record: Option<&'a str>,
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
    record: Option<&'a str>,
}

/// The problem in the form that clients of Stripe's API read.
#[derive(Serialize)]
struct ErrorMember<'a> {
    #[serde(rename = "type")]
    kind: &'static str,
    code: &'a str,
    message: &'a str,
}

#[derive(Serialize)]
struct StripeDocument<'a> {
    error: StripeError<'a>,
}

#[derive(Serialize)]
struct StripeError<'a> {
    #[serde(rename = "type")]
    kind: &'static str,
    code: &'a str,
    message: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    doc_url: Option<String>,
    executed: Executed,
    retry: Retry,
    #[serde(skip_serializing_if = "Option::is_none")]
    record: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    original_status: Option<u16>,
}
