//! The view of a stored response in JSON: `{"status", "headers", "body_base64"}`.
//!
//! The headers are a list of pairs, which keeps their order and count. [`crate::headers::SuppliedResponse`]
//! reads this form.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use http::HeaderValue;
use serde::Serialize;

use crate::protocol::StoredResponse;

/// A stored response, as the API shows it.
#[derive(Debug, Serialize)]
pub(super) struct ResponseView {
    status: u16,
    headers: Vec<(String, String)>,
    body_base64: String,
}

impl ResponseView {
    /// Makes the view of a response. Bytes of a header value that are not text become replacement characters.
    pub(super) fn of(response: &StoredResponse) -> Self {
        let text = |value: &HeaderValue| String::from_utf8_lossy(value.as_bytes()).into_owned();
        Self {
            status: response.status.as_u16(),
            headers: response.headers.iter().map(|(name, value)| (name.to_string(), text(value))).collect(),
            body_base64: STANDARD.encode(&response.body),
        }
    }
}

#[cfg(test)]
mod tests {
    use bytes::Bytes;
    use http::{HeaderName, StatusCode};

    use super::*;
    use crate::headers::SuppliedResponse;

    #[test]
    fn what_is_shown_can_be_supplied_again() {
        let stored = StoredResponse {
            status: StatusCode::CREATED,
            headers: ["b", "a", "b"]
                .map(|value| (HeaderName::from_static("x-one"), HeaderValue::from_static(value)))
                .to_vec(),
            body: Bytes::from_static(b"\x00\xff"),
        };
        let shown = serde_json::to_value(ResponseView::of(&stored)).expect("a response shows as JSON");
        let supplied: SuppliedResponse = serde_json::from_value(shown).expect("its form is read");
        assert_eq!(supplied.into_stored(), Ok(stored));
    }
}
