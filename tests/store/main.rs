//! Every store against one contract, and checks that only a store on a disk or a server needs.

#![cfg(all(feature = "embedded", feature = "redis", feature = "postgres"))]

mod away;
mod bench;
mod bytes;
mod contract;
#[path = "../events/ledger.rs"]
mod decisions;
mod embedded;
#[path = "../events/mod.rs"]
mod events;
mod memory;
mod postgres;
mod redis;
mod schemes;
#[path = "../servers/mod.rs"]
#[expect(dead_code, reason = "it also serves tests of whole gateways")]
mod servers;
mod wakeups;
