//! The shapes of problems: the form in which the clients of a route read what the gateway answers itself.
//!
//! A shape decides status, content type, body, and some headers that the contract does not have. It never
//! changes the headers of the contract, which tell the same in every shape.

use std::collections::BTreeMap;
use std::sync::Arc;

use http::header::CONNECTION;
use http::{HeaderMap, HeaderName, HeaderValue, StatusCode};

use crate::headers::tokens;

use super::document::{self, PROBLEM_JSON};
use super::facts::Facts;
use super::format::ContentType;
use super::slug::Slug;
use super::template::{Template, Values};

/// The shape of the problems of a route.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum Shape {
    /// The document of RFC 9457.
    #[default]
    Rfc9457,
    /// The error object of Stripe's API, with the statuses on which its clients decide.
    Stripe,
    /// A shape of the operator's own.
    Custom(CustomShape),
}

/// A shape of the operator's own. What it leaves open is as in the usual shape.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct CustomShape {
    /// Name in the configuration.
    pub name: String,
    /// Content type of all problems. Without it, a template is `application/json`.
    pub content_type: Option<ContentType>,
    /// Headers of the request that a problem repeats.
    pub echo: Vec<HeaderName>,
    /// Body of each problem that has no body of its own.
    pub body: Option<Template>,
    /// Words for single problems, by slug.
    pub slugs: BTreeMap<&'static str, SlugWords>,
}

/// Words for the problems with one slug.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct SlugWords {
    /// Status, instead of the usual one.
    pub status: Option<StatusCode>,
    /// Code, instead of the slug.
    pub code: Option<String>,
    /// Type, instead of the URN or the address of the documentation.
    pub kind: Option<String>,
    /// Body, instead of the body of the shape.
    pub body: Option<Template>,
    /// Headers beside those of the contract, none of which they may replace.
    pub headers: Vec<(HeaderName, HeaderValue)>,
}

/// A problem in its shape: the part of the response that depends on it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Wording {
    /// Status of the response.
    pub status: StatusCode,
    /// Content type of the body.
    pub content_type: HeaderValue,
    /// The body, as bytes in UTF-8.
    pub body: Vec<u8>,
    /// Headers of the shape's own.
    pub headers: Vec<(HeaderName, HeaderValue)>,
}

impl Shape {
    /// Name of the usual shape in the configuration.
    pub const RFC9457: &str = "rfc9457";
    /// Name of Stripe's shape in the configuration.
    pub const STRIPE: &str = "stripe";

    /// Returns the name in the configuration.
    #[must_use]
    pub fn name(&self) -> &str {
        match self {
            Self::Rfc9457 => Self::RFC9457,
            Self::Stripe => Self::STRIPE,
            Self::Custom(custom) => &custom.name,
        }
    }

    /// Returns the headers of the request that a problem repeats.
    #[must_use]
    pub fn echo(&self) -> &[HeaderName] {
        match self {
            Self::Rfc9457 | Self::Stripe => &[],
            Self::Custom(custom) => &custom.echo,
        }
    }

    /// Returns the status that this shape gives to a problem, if it is another one than usual.
    #[must_use]
    pub fn own_status(&self, slug: Slug) -> Option<StatusCode> {
        match self {
            Self::Rfc9457 => None,
            Self::Stripe => stripe_status(slug),
            Self::Custom(custom) => custom.slugs.get(slug.name()).and_then(|words| words.status),
        }
    }

    /// Words a problem in this shape.
    pub(super) fn word(&self, facts: Facts<'_>, docs: Option<&str>) -> Wording {
        match self {
            Self::Rfc9457 => Wording {
                status: facts.status,
                content_type: HeaderValue::from_static(PROBLEM_JSON),
                body: document::rfc9457(&facts, &facts.problem_type(docs), facts.slug.name()),
                headers: Vec::new(),
            },
            Self::Stripe => {
                let facts = Facts { status: stripe_status(facts.slug).unwrap_or(facts.status), ..facts };
                Wording {
                    status: facts.status,
                    content_type: ContentType::json().value,
                    body: document::stripe(&facts, docs),
                    headers: Vec::new(),
                }
            }
            Self::Custom(custom) => custom.word(facts, docs),
        }
    }
}

/// Returns the status in Stripe's shape, if it differs. Stripe's clients raise an `IdempotencyError` for 400
/// alone, as Stripe answers it.
fn stripe_status(slug: Slug) -> Option<StatusCode> {
    match slug {
        Slug::PayloadMismatch | Slug::KeyMissing | Slug::KeyInvalid => Some(StatusCode::BAD_REQUEST),
        _ => None,
    }
}

impl CustomShape {
    fn word(&self, facts: Facts<'_>, docs: Option<&str>) -> Wording {
        let slug = facts.slug.name();
        let words = self.slugs.get(slug);
        let status = words.and_then(|words| words.status).filter(|status| is_true_of(*status, &facts));
        let facts = Facts { status: status.unwrap_or(facts.status), ..facts };
        let code = words.and_then(|words| words.code.as_deref()).unwrap_or(slug);
        let kind = words.and_then(|words| words.kind.clone()).unwrap_or_else(|| facts.problem_type(docs));
        let template = words.and_then(|words| words.body.as_ref()).or(self.body.as_ref());
        let (body, usual) = match template {
            None => (document::rfc9457(&facts, &kind, code), HeaderValue::from_static(PROBLEM_JSON)),
            Some(template) => {
                let body = template.fill(&Values {
                    status: facts.status.as_u16(),
                    slug,
                    code,
                    kind: &kind,
                    title: facts.slug.row().title,
                    detail: facts.detail,
                    executed: facts.executed.name(),
                    retry: facts.retry.name(),
                    record: facts.record.as_deref(),
                    original_status: facts.original_status,
                });
                (body.into_bytes(), ContentType::json().value)
            }
        };
        let content_type =
            self.content_type.as_ref().map_or(usual, |content_type| content_type.value.clone());
        let headers = words.map(|words| words.headers.clone()).unwrap_or_default();
        Wording { status: facts.status, content_type, body, headers }
    }
}

/// Tells whether a status may stand for a problem. A status of success must not stand for an answer of the
/// upstream that is none, such as a declined card or a redirect.
fn is_true_of(status: StatusCode, facts: &Facts<'_>) -> bool {
    !status.is_success() || facts.original_status.is_none_or(|original| original < 300)
}

/// The shape of the problems that one request may get, with the headers that they repeat of it.
#[derive(Debug)]
pub struct ShapeOfRequest {
    /// The shape.
    pub shape: Arc<Shape>,
    /// The headers of the request that its problem repeats.
    pub echoed: Vec<(HeaderName, HeaderValue)>,
}

impl ShapeOfRequest {
    /// Takes what a shape needs of a request. Returns `None` for the usual shape, which needs nothing.
    ///
    /// A header that `Connection` nominates ends at this hop, and is not repeated.
    #[must_use]
    pub fn of(shape: &Arc<Shape>, headers: &HeaderMap) -> Option<Self> {
        if matches!(**shape, Shape::Rfc9457) {
            return None;
        }
        let nominated = |name: &HeaderName| {
            tokens(headers, &CONNECTION).any(|token| token.eq_ignore_ascii_case(name.as_str().as_bytes()))
        };
        let repeated = shape.echo().iter().filter(|name| headers.contains_key(*name) && !nominated(name));
        let lines =
            |name| headers.get_all(name).iter().map(move |value| (HeaderName::clone(name), value.clone()));
        Some(Self { shape: Arc::clone(shape), echoed: repeated.flat_map(lines).collect() })
    }
}

#[cfg(test)]
mod tests;
