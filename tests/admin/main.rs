//! The admin listener over real sockets, and the `records` command against it: a memory store on a
//! clock that stands still until it is told to move, a real ledger, real HTTP.

mod accept_clock;
mod access;
mod command;
mod faulty;
mod operations;
mod origin;
mod records;
mod refusals;
mod resolve;
mod world;
