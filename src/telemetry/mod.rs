//! Telemetry: [`Metrics`] for machines, [`log`] for people.
//!
//! Names of metrics and labels are a contract, because dashboards and alerts are built on them. No label and
//! no log line ever carries a key, a credential or a body: routes and outcomes are names from the
//! configuration and from the protocol, and operations appear by their record id.

pub mod error_chain;
mod exemplar;
pub mod exposition;
pub mod family;
mod kept;
pub mod limited;
pub mod log;
pub mod metrics;
pub mod recent_attempts;
mod sampler;
pub mod store;
mod store_calls;
pub mod tail;
pub mod traces;
pub mod traffic;

pub use error_chain::ErrorChain;
pub use exemplar::TraceId;
pub use exposition::Format;
pub use limited::Limited;
pub use log::millis;
pub use metrics::{Arrival, ExecutionInFlight, Metrics, Unknown};
pub use recent_attempts::RecentAttempts;
pub use sampler::keep_traffic;
pub use store::MeteredStore;
pub use traces::{Span, TraceContext, Traces};
