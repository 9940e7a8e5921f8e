//! The admin listener over real sockets, and the `records` command against it. Behind the listener are a
//! memory store, a clock that a test moves by hand, a real ledger and real HTTP.

mod accept_clock;
mod access;
mod audit_lines;
mod command;
mod console;
#[path = "../events/ledger.rs"]
#[expect(dead_code, reason = "it also serves the contract of the stores")]
mod decisions;
#[path = "../events/mod.rs"]
#[expect(dead_code, reason = "it also serves the contract of the stores")]
mod events;
mod faulty;
mod labels;
mod lists;
mod many;
mod operations;
mod origin;
mod precondition;
mod reconcile;
mod reconcile_gaps;
mod record_ids;
mod records;
mod refusals;
mod reopen;
mod resolve;
mod roles;
mod short_ids;
mod world;
