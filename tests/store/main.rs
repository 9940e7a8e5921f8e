//! Every store against one contract, and what only a store on a disk can be asked.

mod bench;
mod contract;
mod embedded;
mod memory;
mod postgres;
mod redis;
mod servers;
