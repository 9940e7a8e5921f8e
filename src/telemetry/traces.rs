//! Traces: one span for each request, and one for each claim, upstream call and recording that it causes.
//!
//! The feature `otel` brings them. Without it, the same types are empty and do nothing. A span names route,
//! record and outcome; it never carries a key, a credential, a query or a body.

#[cfg(feature = "otel")]
mod client;
#[cfg(feature = "otel")]
mod export;
#[cfg(not(feature = "otel"))]
mod off;
#[cfg(feature = "otel")]
mod on;

#[cfg(not(feature = "otel"))]
pub use off::{Span, TraceContext, Traces};
#[cfg(feature = "otel")]
pub use on::{Span, TraceContext, Traces};
