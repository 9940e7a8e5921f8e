//! A response that does not come from a call of the gateway: an operator or the upstream's own database
//! supplies it, in JSON: `{"status", "headers", "body_base64"}`.
//!
//! The headers are a list of pairs, which keeps their order and count, or an object of values or of lists of
//! values, which is easier to write.

use std::fmt;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use http::header::CONTENT_LENGTH;
use http::{HeaderMap, HeaderName, HeaderValue, StatusCode};
use serde::de::{self, MapAccess, SeqAccess, Visitor};
use serde::{Deserialize, Deserializer};

use super::hop::strip_hop_by_hop;
use super::names::{is_gateway_only, is_not_replayed};
use crate::protocol::StoredResponse;

/// A response that was supplied.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SuppliedResponse {
    status: u16,
    #[serde(default)]
    headers: HeaderList,
    #[serde(default)]
    body_base64: String,
}

impl SuppliedResponse {
    /// Makes the response that will be replayed, without the headers that a replay never carries.
    ///
    /// # Errors
    /// The reason why no response can be made of it.
    pub fn into_stored(self) -> Result<StoredResponse, String> {
        let status = StatusCode::from_u16(self.status).ok().filter(|_| (200..600).contains(&self.status));
        let status = status.ok_or_else(|| format!("status {} is not a final one", self.status))?;
        let body = STANDARD.decode(&self.body_base64).map_err(|error| format!("body_base64: {error}"))?;
        Ok(StoredResponse { status, headers: replayable(self.headers), body: Bytes::from(body) })
    }
}

/// Keeps only headers that a replay may carry: none that belongs to one connection, to the framing of another
/// message or to the first caller's session, and none that only the gateway may set.
fn replayable(supplied: HeaderList) -> Vec<(HeaderName, HeaderValue)> {
    let mut headers = supplied.0;
    let mut allowed: HeaderMap = headers.iter().cloned().collect();
    strip_hop_by_hop(&mut allowed);
    allowed.remove(CONTENT_LENGTH);
    let replayed = |name: &HeaderName| !is_gateway_only(name) && !is_not_replayed(name);
    headers.retain(|(name, _)| allowed.contains_key(name) && replayed(name));
    headers
}

/// Headers as an object or as a list of pairs.
#[derive(Debug, Default)]
pub struct HeaderList(Vec<(HeaderName, HeaderValue)>);

impl HeaderList {
    /// Returns the headers as a map.
    #[must_use]
    pub fn into_map(self) -> HeaderMap {
        let mut map = HeaderMap::new();
        for (name, value) in self.0 {
            map.append(name, value);
        }
        map
    }

    fn push<E: de::Error>(&mut self, name: &str, value: &str) -> Result<(), E> {
        let parsed = HeaderName::from_bytes(name.as_bytes());
        let parsed = parsed.map_err(|_| E::custom(format_args!("`{name}` is not a header name")))?;
        // The value may be a credential, so the message does not repeat it.
        let value = HeaderValue::from_bytes(value.trim().as_bytes());
        let value =
            value.map_err(|_| E::custom(format_args!("the value of `{name}` is not one of a header")))?;
        self.0.push((parsed, value));
        Ok(())
    }
}

impl<'de> Deserialize<'de> for HeaderList {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        from.deserialize_any(HeaderListVisitor)
    }
}

struct HeaderListVisitor;

impl<'de> Visitor<'de> for HeaderListVisitor {
    type Value = HeaderList;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an object of header values, or a list of [name, value] pairs")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut object: A) -> Result<HeaderList, A::Error> {
        let mut list = HeaderList::default();
        while let Some((name, values)) = object.next_entry::<String, Values>()? {
            for value in values.into_vec() {
                list.push(&name, &value)?;
            }
        }
        Ok(list)
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut pairs: A) -> Result<HeaderList, A::Error> {
        let mut list = HeaderList::default();
        while let Some((name, value)) = pairs.next_element::<(String, String)>()? {
            list.push(&name, &value)?;
        }
        Ok(list)
    }
}

#[derive(Deserialize)]
#[serde(untagged, expecting = "a header's value has to be a string or a list of strings")]
enum Values {
    One(String),
    Many(Vec<String>),
}

impl Values {
    fn into_vec(self) -> Vec<String> {
        match self {
            Self::One(value) => vec![value],
            Self::Many(values) => values,
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn supplied(response: serde_json::Value) -> Result<StoredResponse, String> {
        let supplied: SuppliedResponse =
            serde_json::from_value(response).map_err(|error| error.to_string())?;
        supplied.into_stored()
    }

    #[test]
    fn headers_that_no_replay_may_carry_are_dropped() {
        let headers = json!({
            "Connection": "close, X-Hop", "X-Hop": "1", "Keep-Alive": "timeout=5", "Content-Length": "99",
            "Transfer-Encoding": "chunked", "Set-Cookie": "s=1", "Idempotency-Stored": "false", "X-Kept": ["1", "2"],
        });
        let stored = supplied(json!({ "status": 200, "headers": headers })).expect("a valid response");
        let kept: Vec<_> = stored.headers.iter().map(|(name, _)| name.as_str()).collect();
        assert_eq!(kept, ["x-kept", "x-kept"]);
    }

    #[test]
    fn a_response_that_could_not_be_replayed_is_refused() {
        for (response, why) in [
            (json!({ "status": 101 }), "not a final one"),
            (json!({ "status": 600 }), "not a final one"),
            (json!({ "status": 200, "body_base64": "?" }), "body_base64"),
            (json!({ "status": 200, "body": "x" }), "unknown field"),
            (json!({ "status": 200, "headers": { "a b": "x" } }), "not a header name"),
            (json!({ "status": 200, "headers": { "a": "x\ny" } }), "not one of a header"),
            (json!({ "status": 200, "headers": { "a": 1 } }), "string or a list of strings"),
            (json!({ "status": 200, "headers": "a: x" }), "an object of header values"),
        ] {
            let error = supplied(response.clone()).expect_err("refused");
            assert!(error.contains(why), "{response}: {error}");
        }
    }
}
