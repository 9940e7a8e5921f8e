//! The members of a request's body, named by JSON pointers: those of a JSON document, and those of a form.
//!
//! Keys, labels and probes read members here, so that all of them find the same value at the same place. A
//! label or a probe may do without a value. A key may not: a request with a key that is not found would run
//! unprotected. Therefore `Member` distinguishes a member that is missing from one that cannot be told, and
//! a form is read for a key only if all servers find the same fields in it.
//!
//! In a form, `/order` is the field `order`, and `/metadata/order` is the field `metadata[order]`, as most
//! servers and Stripe's clients write it.

use std::borrow::Cow;

use http::header::{CONTENT_ENCODING, CONTENT_TYPE};
use http::{HeaderMap, HeaderValue};
use thiserror::Error;

use self::form::{Form, UnclearField};
pub(super) use self::json::{Document, Found};
use self::json::{Node, Reached};
pub use self::pointer::Pointer;
use super::form::{UnclearForm, check as check_form};

mod form;
mod json;
mod pointer;

/// A body with members.
pub(super) enum BodyMembers<'t> {
    Json(Document<'t>),
    Form(Form<'t>),
}

/// The result of a search for a member.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Member<'t> {
    /// A value of a JSON document.
    Json(Node<'t>),
    /// The value of a field of a form.
    Text(Cow<'t, str>),
    /// The value `null`.
    Null,
    /// A place where no value stands, because the member or one on the way to it is not there.
    Missing,
    /// A place that the body does not name clearly: a name stands twice, or the way leads into a value that
    /// is neither an object nor a list.
    Unclear,
}

/// The reason why the members of a body cannot be read.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
pub enum Unreadable {
    /// A body in a coding such as gzip.
    #[error("the body has a content coding, so its members cannot be read")]
    Coded,
    /// A media type that is neither JSON nor that of a form.
    #[error("the Content-Type is neither JSON nor application/x-www-form-urlencoded")]
    OtherMediaType,
    /// A body that is not a JSON document, although its media type says so.
    #[error("the body is not one JSON document in UTF-8")]
    NotJson,
    /// A form in which servers may find different fields.
    #[error(transparent)]
    Form(#[from] UnclearForm),
}

/// A media type of bodies with members.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Kind {
    Json,
    Form,
}

/// Tells whether a body with these headers can have members.
///
/// # Errors
/// The reason why it has none that can be read.
pub fn check(headers: &HeaderMap) -> Result<(), Unreadable> {
    kind(headers).map(|_| ())
}

impl<'t> BodyMembers<'t> {
    /// Reads a body as its headers say. An empty body has no members.
    ///
    /// # Errors
    /// The reason why the members cannot be read.
    pub(super) fn declared(headers: &HeaderMap, body: &'t [u8]) -> Result<Option<Self>, Unreadable> {
        if body.is_empty() {
            return Ok(None);
        }
        match kind(headers)? {
            Kind::Json => Document::parse(body).map(Self::Json).ok_or(Unreadable::NotJson).map(Some),
            // A server may find members in a form where others find none.
            Kind::Form => {
                check_form(body)?;
                Ok(Some(Self::Form(Form(body))))
            }
        }
    }

    /// Reads a body as JSON if it is JSON, whatever its headers say, and else as a form if they say so.
    pub(super) fn found(headers: &HeaderMap, body: &'t [u8]) -> Option<Self> {
        let form = || (kind(headers) == Ok(Kind::Form)).then_some(Self::Form(Form(body)));
        Document::parse(body).map(Self::Json).or_else(form)
    }

    /// Finds a member.
    pub(super) fn member(&self, pointer: &Pointer) -> Member<'t> {
        match self {
            Self::Json(document) => match document.member(pointer) {
                Reached::Value(value) => Member::Json(value),
                Reached::Null => Member::Null,
                Reached::Missing => Member::Missing,
                Reached::Unclear => Member::Unclear,
            },
            Self::Form(form) => match form.field(pointer) {
                Ok(Some(text)) => Member::Text(text),
                Ok(None) => Member::Missing,
                Err(UnclearField) => Member::Unclear,
            },
        }
    }

    /// Tells whether a member has the place of `pointer` for a server that does not distinguish upper and lower
    /// case.
    pub(super) fn has_variant(&self, pointer: &Pointer) -> bool {
        match self {
            Self::Json(document) => document.has_variant(pointer, folded),
            Self::Form(form) => form.has_variant(pointer, folded),
        }
    }
}

impl Member<'_> {
    /// Returns the text of a string or of a field, or a number, `true` or `false` as it was written.
    pub(super) fn scalar(self) -> Option<String> {
        match self {
            Self::Json(value) => value.scalar(),
            Self::Text(text) => Some(text.into_owned()),
            Self::Null | Self::Missing | Self::Unclear => None,
        }
    }

    /// Returns the text of a string or of a field, or a number, `true` or `false` in its usual spelling.
    pub(super) fn text(self) -> Option<String> {
        match self {
            Self::Json(value) => value.text(),
            other => other.scalar(),
        }
    }

    /// Returns the text of a string or of a field, or the digits of an integer that a double holds exactly.
    pub(super) fn exact(self) -> Option<String> {
        match self {
            Self::Json(value) => value.exact(),
            other => other.scalar(),
        }
    }
}

fn kind(headers: &HeaderMap) -> Result<Kind, Unreadable> {
    let is_plain = |coding: &HeaderValue| coding.as_bytes().trim_ascii().eq_ignore_ascii_case(b"identity");
    if !headers.get_all(CONTENT_ENCODING).iter().all(is_plain) {
        return Err(Unreadable::Coded);
    }
    let mut types = headers.get_all(CONTENT_TYPE).iter();
    let (Some(only), None) = (types.next(), types.next()) else { return Err(Unreadable::OtherMediaType) };
    let name = only.to_str().unwrap_or_default().split(';').next().unwrap_or_default();
    let name = name.trim().to_ascii_lowercase();
    match name.as_str() {
        "application/x-www-form-urlencoded" => Ok(Kind::Form),
        "application/json" | "text/json" => Ok(Kind::Json),
        other if other.contains('/') && other.ends_with("+json") => Ok(Kind::Json),
        _ => Err(Unreadable::OtherMediaType),
    }
}

/// Returns a name in the form in which servers compare it that do not distinguish upper and lower case, and
/// that leave out white space around names.
fn folded(name: &str) -> String {
    let name = name.trim_matches(|c: char| c.is_whitespace() || c == '\u{feff}');
    name.chars().flat_map(char::to_uppercase).flat_map(char::to_lowercase).collect()
}

#[cfg(test)]
mod tests;
