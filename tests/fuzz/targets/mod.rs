//! The targets: one function for each reader of untrusted input, and their shared parts.

mod answer;
mod chunked;
mod config;
#[path = "../../events/mod.rs"]
#[expect(dead_code, reason = "it also serves the contract of the stores")]
mod events;
mod head;
mod json;
mod key;
mod meaning;
mod reader;
mod record;
mod stream;

use self::answer::answer;
use self::chunked::chunked;
use self::config::config;
use self::head::head;
use self::json::json;
pub use self::json::{digest, fingerprint, is_raw};
use self::key::key;
pub use self::meaning::{Decimal, Meaning};
use self::record::record;

/// A function that panics unless the reader's result for these bytes is correct.
pub type Target = fn(&[u8]);

/// The targets by name.
pub const ALL: [(&str, Target); 7] = [
    ("key", key),
    ("config", config),
    ("record", record),
    ("json", json),
    ("head", head),
    ("chunked", chunked),
    ("answer", answer),
];
