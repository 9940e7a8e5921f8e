//! Every store against one contract, and what only a store on a disk can be asked.

mod away;
mod bench;
mod contract;
mod embedded;
mod memory;
mod postgres;
mod redis;
mod servers;
mod wakeups;
