//! The receiver of traces.

use http::Uri;

/// A receiver of OTLP over HTTP.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Otel {
    /// Address of the receiver, without the path for traces.
    pub endpoint: Uri,
}

impl Otel {
    /// Returns the address for traces.
    #[must_use]
    pub fn traces(&self) -> String {
        format!("{}/v1/traces", self.endpoint.to_string().trim_end_matches('/'))
    }
}
