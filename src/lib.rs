//! Oncegate: an HTTP idempotency-key gateway.
//!
//! Oncegate is a reverse proxy that makes retried requests safe. Imports between floors go downwards only;
//! `docs/architecture.md` describes the floors and follows one request through them.

// The tests beside the code share files with those in `tests/`, which name this crate from outside.
#[cfg(test)]
extern crate self as oncegate;

pub mod admin;
pub mod allocator;
pub mod app;
pub mod backoff;
pub mod buffers;
pub mod call;
pub mod cli;
pub mod clock;
pub mod config;
pub mod descriptors;
mod failpoint;
pub mod gateway;
pub mod headers;
mod holding;
pub mod notify;
pub mod peer;
pub mod pem;
pub mod presence;
pub mod problem;
pub mod protocol;
mod random;
mod receiver_client;
mod regular_file;
pub mod reload;
pub mod routes;
pub mod seal;
pub mod secret;
pub mod server;
pub mod settle;
pub mod shares;
mod spare;
pub mod stop;
pub mod store;
pub mod telemetry;
pub mod upstream;
pub mod workers;
