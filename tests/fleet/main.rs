//! Several gateways on one store, as real processes over real sockets, and faults on the connections between
//! them and the store.

#![cfg(all(feature = "embedded", feature = "redis", feature = "postgres"))]

mod body_keys;
mod clocks;
mod connect;
mod embargo;
mod jumps;
mod many;
mod same_requests;
mod starting;
mod store;
mod wakeups;
mod wire;

#[path = "../harness/mod.rs"]
#[expect(dead_code, unused_imports, reason = "it also serves tests of a single gateway")]
mod harness;
#[path = "../servers/mod.rs"]
#[expect(dead_code, reason = "it also serves tests of the stores alone")]
mod servers;
