//! The gateway layer between a store that fails in every possible way and an upstream that counts its calls.
//! Time is virtual: it moves only while every task waits.

mod claims;
mod clocks;
mod jumps;
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
