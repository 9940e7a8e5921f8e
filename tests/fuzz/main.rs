//! What strangers send, and what lies in a store, thrown at the readers of it by the thousand.
//!
//! `targets` holds one function for each reader. It takes any bytes and panics unless what the reader makes of
//! them has the properties that the function states. Two drivers run these functions: `smoke`, here, changes the
//! committed corpus at random, the same way in every run and for a few seconds; `scripts/fuzz` is guided by
//! coverage and runs for as long as one likes (`docs/fuzzing.md`). `same_json` states over whole documents what the
//! target `json` finds in broken ones.

mod mutation;
mod same_json;
mod smoke;
mod spelling;
mod targets;
