//! The behaviour of clients with the gateway's responses: the real SDKs of a payment API, which retry by
//! themselves and raise the errors that their users catch, and the examples of `docs/calling.md`.

#![cfg(all(feature = "embedded", feature = "redis", feature = "postgres"))]

mod api;
mod calling;
mod driver;
mod hop;
mod retrying;
mod stripe;

#[path = "../clients/mod.rs"]
#[expect(dead_code, reason = "it also serves tests of frameworks")]
mod clients;
#[path = "../harness/mod.rs"]
#[expect(dead_code, unused_imports, reason = "it also serves tests of the gateway alone")]
mod harness;
#[path = "../servers/mod.rs"]
#[expect(dead_code, reason = "it also serves tests of the stores alone")]
mod servers;
