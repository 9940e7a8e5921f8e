//! The upstream client against servers that misbehave in every way a socket allows: whatever they
//! do, the word *never sent* is given only for requests of which the server read nothing, and no
//! request is sent twice.

mod call;
mod closing;
mod connecting;
mod faithful;
mod fuzz;
mod pooled;
mod raw;
mod timing;
mod tls;
