//! Every store against one contract, and what only a store on a disk can be asked.

mod away;
mod bench;
mod bytes;
mod contract;
mod embedded;
mod memory;
mod postgres;
mod redis;
#[path = "../servers/mod.rs"]
#[expect(dead_code, reason = "it also serves tests of whole gateways")]
mod servers;
mod wakeups;
