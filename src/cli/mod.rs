//! The commands of `oncegate`. Each takes checked arguments, prints for people, and ends 0 (fine),
//! 1 (failed) or 2 (wrong usage or configuration).

pub mod records;
