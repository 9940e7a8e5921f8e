//! Frameworks differ in what they take for the same path, and redirect where others answer. Real
//! ones, with their defaults, stand behind a real gateway here: whatever the spelling, one key is
//! one effect at most.

mod apps;
mod redirects;
mod spellings;

#[path = "../clients/mod.rs"]
#[expect(dead_code, reason = "it also serves tests of clients")]
mod clients;
#[path = "../harness/mod.rs"]
#[expect(dead_code, unused_imports, reason = "it also serves tests of the gateway alone")]
mod harness;
