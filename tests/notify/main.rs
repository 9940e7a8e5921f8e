//! The webhook for unknown outcomes: real gateways, and a real server that receives the events.

#![cfg(all(feature = "embedded", feature = "redis", feature = "postgres"))]

mod canaries;
mod crash;
mod delivery;
mod failing;
mod fleet;
mod page;
mod world;

#[path = "../harness/mod.rs"]
#[expect(dead_code, unused_imports, reason = "it also serves other tests of gateways")]
mod harness;
#[path = "../servers/mod.rs"]
#[expect(dead_code, reason = "it also serves tests of the stores alone")]
mod servers;
