//! The gateway as its users meet it: the real process, in front of a real server, over sockets.

mod answers;
mod anytime;
mod contract;
mod crash;
mod duplicates;
mod faults;
#[path = "../harness/mod.rs"]
#[expect(dead_code, reason = "it also serves tests of fleets")]
mod harness;
mod headers;
mod http2;
mod problems;
mod shutdown;
mod tls;
mod waiting;
