//! The targets: one function for each reader of untrusted input, and their shared parts.

mod answer;
mod chunked;
mod config;
#[path = "../../events/mod.rs"]
#[expect(dead_code, reason = "it also serves the contract of the stores")]
mod events;
mod form;
mod head;
mod json;
mod key;
mod meaning;
mod multipart;
mod reader;
mod record;
mod stream;
mod typed;

use self::answer::answer;
use self::chunked::chunked;
use self::config::config;
use self::form::form;
use self::head::head;
use self::json::json;
pub use self::json::{digest, fingerprint, is_raw};
use self::key::key;
pub use self::meaning::{Decimal, Meaning};
use self::multipart::multipart;
use self::record::record;

/// A function that panics unless the reader's result for these bytes is correct.
pub type Target = fn(&[u8]);

/// The targets by name.
pub const ALL: [(&str, Target); 9] = [
    ("key", key),
    ("config", config),
    ("record", record),
    ("json", json),
    ("form", form),
    ("multipart", multipart),
    ("head", head),
    ("chunked", chunked),
    ("answer", answer),
];
