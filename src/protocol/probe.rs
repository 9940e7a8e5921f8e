//! Questions to an upstream about an execution with an unknown outcome, and the meaning of its answers.
//!
//! A [`UrlTemplate`] names the resource that tells what happened. [`UrlTemplate::values`] takes the needed
//! parts of the request when the operation is claimed, and [`UrlTemplate::fill`] makes the URL when the
//! question is asked. [`Rules::judge`] reads the answer. Each doubt leaves the outcome unknown, because a
//! wrong "not executed" makes a second payment.

use bytes::Bytes;
use http::header::{CONTENT_ENCODING, CONTENT_TYPE};
use http::{HeaderMap, HeaderValue, StatusCode};

use super::StoredResponse;
use super::members::{Document, Found, Pointer};

mod template;

#[cfg(test)]
mod tests;

pub use self::template::{UrlTemplate, Values};

/// The meaning of an upstream's answers to a probe.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Rules {
    /// Statuses that say that the operation was executed.
    pub executed: Vec<u16>,
    /// Statuses that say that the operation was not executed. They are looked at first.
    pub not_executed: Vec<u16>,
    /// A value in the body that decides in place of a 2xx status.
    pub when: Option<When>,
    /// Place of the operation's response in the body. The empty pointer means the whole body.
    pub response: Option<Pointer>,
}

/// A value in the body of an answer that tells whether the operation was executed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct When {
    /// Place of the value.
    pub pointer: Pointer,
    /// Values that say that the operation was executed.
    pub executed: Vec<String>,
    /// Values that say that the operation was not executed.
    pub not_executed: Vec<String>,
}

impl When {
    /// The text in a list of values that means a value that is not there.
    pub const ABSENT: &str = "absent";
}

/// The meaning of one answer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Answer {
    /// An executed operation, with its response if the rules name a place for it.
    Executed(Option<StoredResponse>),
    /// An operation that was not executed before the upstream answered.
    NotExecuted,
    /// An answer that decides nothing.
    Undecided,
}

impl Rules {
    /// Returns the meaning of an answer.
    #[must_use]
    pub fn judge(&self, status: StatusCode, headers: &HeaderMap, body: &Bytes) -> Answer {
        if self.not_executed.contains(&status.as_u16()) {
            return Answer::NotExecuted;
        }
        let executed = match &self.when {
            Some(when) if status.is_success() => when.decide(body),
            _ => self.executed.contains(&status.as_u16()).then_some(true),
        };
        match executed {
            Some(true) => self.executed(headers, body),
            Some(false) => Answer::NotExecuted,
            None => Answer::Undecided,
        }
    }

    /// Takes the response out of the answer. An answer without the response that the rules name decides
    /// nothing.
    fn executed(&self, headers: &HeaderMap, body: &Bytes) -> Answer {
        let response = match &self.response {
            None => return Answer::Executed(None),
            Some(pointer) if pointer.is_whole() => whole(headers, body),
            Some(pointer) => part(pointer, body),
        };
        response.map_or(Answer::Undecided, |response| Answer::Executed(Some(response)))
    }
}

impl When {
    /// Tells whether the operation was executed; `None` if the body leaves it open.
    fn decide(&self, body: &[u8]) -> Option<bool> {
        let value = match Document::parse(body)?.at(&self.pointer) {
            Found::Value(value) => value.text()?,
            Found::Absent => Self::ABSENT.to_owned(),
            Found::Unclear => return None,
        };
        match (self.executed.contains(&value), self.not_executed.contains(&value)) {
            (true, false) => Some(true),
            (false, true) => Some(false),
            _ => None,
        }
    }
}

/// Returns the whole body with its content type. A body in a coding such as gzip is not usable.
fn whole(headers: &HeaderMap, body: &Bytes) -> Option<StoredResponse> {
    let coded = headers.get_all(CONTENT_ENCODING).iter().any(|coding| coding != "identity");
    let content_type = headers.get(CONTENT_TYPE).cloned();
    (!coded && !body.is_empty()).then(|| stored(content_type, body.clone()))
}

/// Returns one value of the body as JSON, in the spelling of the upstream.
fn part(pointer: &Pointer, body: &Bytes) -> Option<StoredResponse> {
    match Document::parse(body)?.at(pointer) {
        Found::Value(value) => {
            let json = HeaderValue::from_static("application/json");
            Some(stored(Some(json), Bytes::copy_from_slice(value.json().as_bytes())))
        }
        Found::Absent | Found::Unclear => None,
    }
}

fn stored(content_type: Option<HeaderValue>, body: Bytes) -> StoredResponse {
    let headers = content_type.into_iter().map(|value| (CONTENT_TYPE, value)).collect();
    StoredResponse { status: StatusCode::OK, headers, body }
}
