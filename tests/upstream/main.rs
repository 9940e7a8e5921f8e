//! The upstream client against servers that misbehave in every way a socket allows: whatever they
//! do, the word *never sent* is given only for requests of which the server read nothing, and no
//! request is sent twice.

mod apart;
mod call;
#[path = "../harness/tls.rs"]
#[expect(dead_code, reason = "it also serves tests of listeners")]
mod certificates;
mod closing;
mod connecting;
mod faithful;
mod framing;
mod fuzz;
mod goaway;
mod http2;
mod identity;
mod lengths;
mod lenient;
mod pooled;
mod raw;
mod timing;
mod tls;
