//! Shared parts of the tests: a gateway process, an upstream under the control of the test, and a client that
//! shows every byte.

mod client;
mod gateway;
mod http2;
pub mod kept;
pub mod same_requests;
mod secrets;
pub mod tls;
mod upstream;

pub use client::{Answer, Connection, post, request, request_bytes};
pub use gateway::{Gateway, Settings};
pub use http2::{Http2, read, trailers};
pub use secrets::contains;
pub use upstream::Upstream;
