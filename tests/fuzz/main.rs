//! Untrusted input and stored bytes, given to their readers by the thousand.
//!
//! `targets` holds one function for each reader. The function takes any bytes, and panics unless the result
//! of the reader has the properties that the function states. Two drivers run these functions. The driver
//! `smoke`, here, changes the committed corpus at random, in the same way in every run, for a few seconds.
//! The driver `scripts/fuzz` is guided by coverage and runs as long as its user wants (`docs/fuzzing.md`).
//! `same_json` checks with whole documents what the target `json` checks with broken ones.

mod mutation;
mod same_json;
mod smoke;
mod spelling;
mod targets;
