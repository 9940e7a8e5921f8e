//! The gateway as its users see it: the real process in front of a real server, over sockets.

#![cfg(all(feature = "embedded", feature = "redis", feature = "postgres"))]

mod announcing;
mod answers;
mod anytime;
mod callers;
mod contract;
mod cors;
mod crash;
mod directory;
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
mod key_forwarding;
mod key_in_body;
mod key_secrets;
mod keyed;
mod labels;
mod locations;
mod lookups;
mod outcomes;
mod policy;
#[path = "../servers/preload.rs"]
#[expect(dead_code, reason = "it also serves tests of clocks")]
mod preload;
mod problems;
mod same_requests;
mod shapes;
mod shutdown;
mod small_disk;
mod spellings;
mod starting;
mod stopping;
mod tls;
mod told;
mod unknowns;
mod upstream_keys;
mod waiting;
