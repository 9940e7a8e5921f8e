//! The start of a gateway on a store that knows operations under other names: real processes on every store.

#![cfg(all(feature = "embedded", feature = "redis", feature = "postgres"))]

mod accepting;
mod certificates;
mod changes;
mod earlier;
mod fleets;
mod lives;
mod place;
mod process;
mod quick_start;
mod waiting;

#[path = "../harness/mod.rs"]
#[expect(dead_code, unused_imports, reason = "it also serves tests of a gateway with one route")]
mod harness;
#[path = "../servers/mod.rs"]
#[expect(dead_code, reason = "it also serves tests of the stores alone")]
mod servers;
