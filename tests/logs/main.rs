//! What the process writes, and who does not read it: standard error and standard output are pipes that
//! stand still, end, or lead to a full disk.

#[path = "../harness/mod.rs"]
#[expect(dead_code, reason = "it also serves tests of other things")]
#[expect(unused_imports, reason = "as above")]
mod harness;
mod printing;
mod process;
mod reader;
mod refused;
