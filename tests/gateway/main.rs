//! The gateway as its users meet it: the real process, in front of a real server, over sockets.

mod answers;
mod anytime;
mod contract;
mod crash;
mod duplicates;
mod faults;
mod half_closed;
mod handshakes;
#[path = "../harness/mod.rs"]
#[expect(dead_code, reason = "it also serves tests of fleets")]
mod harness;
mod headers;
mod http2;
mod keep_alive;
mod problems;
mod shutdown;
mod starting;
mod stopping;
mod tls;
mod unknowns;
mod waiting;
