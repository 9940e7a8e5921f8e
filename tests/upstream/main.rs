//! The upstream client against servers that misbehave in every way that a socket allows. The client reports
//! *never sent* only for requests of which the server read nothing, and it sends no request twice.

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
