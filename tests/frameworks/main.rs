//! Frameworks differ in the paths that they take for the same, and some redirect where others answer. Real
//! frameworks with their defaults stand behind a real gateway here. For every spelling, one key has at most
//! one effect.

#![cfg(all(feature = "embedded", feature = "redis", feature = "postgres"))]

mod apps;
mod redirects;
mod spellings;

#[path = "../clients/mod.rs"]
#[expect(dead_code, reason = "it also serves tests of clients")]
mod clients;
#[path = "../harness/mod.rs"]
#[expect(dead_code, unused_imports, reason = "it also serves tests of the gateway alone")]
mod harness;
