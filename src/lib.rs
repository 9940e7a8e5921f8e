//! Oncegate: an HTTP idempotency-key gateway.
//!
//! A reverse proxy that makes retried requests safe. Floors import downwards only; see
//! `docs/architecture.md` for the walk of one request through them.

pub mod admin;
pub mod allocator;
pub mod app;
pub mod backoff;
pub mod cli;
pub mod clock;
pub mod config;
pub mod descriptors;
mod failpoint;
pub mod gateway;
mod holding;
pub mod pem;
pub mod protocol;
mod random;
pub mod reload;
pub mod routes;
pub mod server;
pub mod shares;
pub mod store;
pub mod telemetry;
pub mod upstream;
pub mod workers;
