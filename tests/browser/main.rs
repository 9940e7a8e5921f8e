//! What a browser lets pages do with the gateway: real pages in headless Chromium.

#![cfg(all(feature = "embedded", feature = "redis", feature = "postgres"))]

mod console;
mod cors;
mod reloads;

#[path = "../clients/mod.rs"]
#[expect(dead_code, reason = "it also serves tests of clients")]
mod clients;
#[path = "../harness/mod.rs"]
#[expect(dead_code, unused_imports, reason = "it also serves tests of the gateway alone")]
mod harness;
