//! Oncegate: an HTTP idempotency-key gateway.
//!
//! A reverse proxy that makes retried requests safe. Floors import downwards only; see
//! `docs/architecture.md` for the walk of one request through them.

pub mod cli;
pub mod clock;
pub mod config;
pub mod protocol;
pub mod store;
