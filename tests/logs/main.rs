//! Output of the process, and readers that do not read it: standard error and standard output are pipes that
//! are not read, that end, or that lead to a full disk.

#![cfg(all(feature = "embedded", feature = "redis", feature = "postgres"))]

#[path = "../harness/mod.rs"]
#[expect(dead_code, reason = "it also serves tests of other things")]
#[expect(unused_imports, reason = "as above")]
mod harness;
mod printing;
mod process;
mod reader;
mod refused;
