//! The words of an API: what its clients send, what they get, and which members they read.

use serde_json::Value;

/// One API, as its recipe and its fake speak it.
pub struct Dialect {
    /// Name of the recipe, and of its upstream.
    pub name: &'static str,
    /// Path of a payment.
    pub path: &'static str,
    pub key: Place,
    /// True if the recipe refuses a request without a key.
    pub requires_a_key: bool,
    /// Headers of each request: the credential, and what else this API demands.
    pub headers: &'static [(&'static str, &'static str)],
    /// A request with this key for this amount. A key that stands in a header is not in the body.
    pub body: fn(key: Option<&str>, amount: u32) -> String,
    /// The API's answer about a payment that was made, at the request of this number.
    pub paid: fn(payment: usize, asked: usize) -> (u16, String),
    /// The API's own error with a status.
    pub failed: fn(status: u16) -> String,
    /// Tells whether the API's own keys keep an answer with this status.
    pub keeps: fn(status: u16) -> bool,
    /// True if a known key gets the present status of its payment.
    pub tells_latest_status: bool,
    /// True if the API's answers repeat the key.
    pub repeats_its_key: bool,
    /// True if an unknown outcome is asked for again under the key.
    pub asks_again: bool,
    /// The status of each later answer about an unknown outcome. The first one has 504.
    pub still_unknown: u16,
    /// The status and the members that a client reads in a problem with this slug.
    pub told: fn(slug: &str) -> (u16, Value),
    /// Pointer to the sentence in a problem; empty if this API has none.
    pub sentence: &'static str,
    /// The header by which the API says that the same request may be sent again, if it has one.
    pub repeatable: Option<&'static str>,
}

/// Where the key of a request is.
#[derive(Clone, Copy)]
pub enum Place {
    Header(&'static str),
    Member(&'static str),
}

impl Dialect {
    /// Returns the header of the key.
    pub fn key_header(&self) -> &'static str {
        match self.key {
            Place::Header(name) => name,
            Place::Member(name) => panic!("the key is the member {name}"),
        }
    }
}

/// Returns the pointers of the expected members that a body lacks, or has with other values. A body may have
/// further members.
pub fn differences(expected: &Value, found: &Value, at: &str) -> Vec<String> {
    match (expected, found) {
        (Value::Object(expected), Value::Object(found)) => expected
            .iter()
            .flat_map(|(name, value)| differences(value, &found[name.as_str()], &format!("{at}/{name}")))
            .collect(),
        (Value::Array(expected), Value::Array(found)) if expected.len() == found.len() => {
            let both = expected.iter().zip(found).enumerate();
            both.flat_map(|(n, (expected, found))| differences(expected, found, &format!("{at}/{n}")))
                .collect()
        }
        _ if expected == found => Vec::new(),
        _ => vec![format!("{at}: {found}, not {expected}")],
    }
}
