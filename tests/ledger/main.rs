//! The gateway layer between a store that fails in every possible way and an upstream that counts its calls.
//! Time is virtual: it moves only while every task waits.

mod claims;
mod clocks;
#[path = "../events/ledger.rs"]
#[expect(dead_code, reason = "it also serves the contract of the stores")]
mod decisions;
#[path = "../events/mod.rs"]
#[expect(dead_code, reason = "it also serves the contract of the stores")]
mod events;
mod jumps;
mod live;
mod lookups;
mod outcomes;
mod overruled;
mod panics;
mod releases;
mod replays;
mod slow;
mod stopped;
mod store;
mod upstream;
mod world;
