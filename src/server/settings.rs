//! The settings of one listener.

use std::sync::Arc;
use std::time::Duration;

use crate::telemetry::Metrics;
use crate::workers::Workers;

use super::tls::Tls;

/// The protocols of one listener, and its limits.
#[derive(Clone)]
pub struct ListenerSettings {
    /// Maximum number of open connections, and of open requests on all HTTP/2 connections together. When
    /// there are more connections, the party with the most loses one, or the new ones wait. More
    /// requests get the problem `overloaded`.
    pub max_connections: usize,
    /// Maximum number of connections that wait until others end.
    pub max_waiting: usize,
    /// Time that a client has to complete the handshake, to send the head of a request, and to begin its
    /// first request.
    pub header_read_timeout: Duration,
    /// Time for which a connection that has had a response may stay without a request.
    pub keep_alive_timeout: Duration,
    /// Time for which a client may read nothing of a response.
    pub write_timeout: Duration,
    /// True if HTTP/2 is spoken beside HTTP/1.1.
    pub http2: bool,
    /// The TLS of the listener. When it is set, the listener speaks nothing but TLS.
    pub tls: Option<Arc<Tls>>,
    /// The workers that serve the connections.
    pub workers: Workers,
    /// The methods that the response to any other method names.
    pub methods: &'static str,
    /// Base address of the explanations of problems. Each problem's name is appended to it.
    pub problem_docs: Option<Arc<str>>,
    /// Metrics of the requests that are refused before the choice of a route, and of failed handshakes.
    pub metrics: Metrics,
}
