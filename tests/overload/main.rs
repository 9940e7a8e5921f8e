//! More load than the gateway has room for: more operations than may run at once, more connections than are
//! used, and clients that send or read as slowly as they can. These tests have a binary of their own, because
//! ten thousand connections would disturb the tests that measure time.

#![cfg(all(feature = "embedded", feature = "redis", feature = "postgres"))]

mod bodies;
mod connections;
mod descriptors;
mod executions;
mod goodput;
mod idle;
mod narrow;
mod peers;
mod readers;
mod shedding;
mod slow;
mod stalled;

#[path = "../strict/frames.rs"]
#[expect(dead_code, reason = "it also serves tests of every kind of frame")]
mod frames;
#[path = "../harness/mod.rs"]
#[expect(dead_code, unused_imports, reason = "it also serves tests of what gateways do with good requests")]
mod harness;
