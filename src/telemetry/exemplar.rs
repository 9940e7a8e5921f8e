//! Exemplars: a bucket of a duration histogram names the trace of the last sampled request that fell into it.
//!
//! The trace is the one that the request's `traceparent` names, whether or not this build makes spans. A
//! request without a sampled trace leaves none, and pays for nothing but the look.

use std::fmt;

use http::HeaderMap;
use prometheus_client::encoding::{EncodeLabel, EncodeLabelSet, LabelSetEncoder};
use prometheus_client::metrics::exemplar::HistogramWithExemplars;

use crate::clock::Timestamp;
use crate::headers::TraceParent;
use crate::protocol::hex;

/// A histogram with an exemplar for each bucket that a sampled request fell into.
pub(super) type TracedHistogram = HistogramWithExemplars<TraceId>;

/// The id of a sampled trace.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TraceId([u8; 16]);

impl TraceId {
    /// Returns the trace that a request belongs to, if its spans are recorded.
    #[must_use]
    pub fn sampled(headers: &HeaderMap) -> Option<Self> {
        TraceParent::of(headers).filter(|parent| parent.is_sampled).map(|parent| Self(parent.trace))
    }
}

impl EncodeLabelSet for TraceId {
    fn encode(&self, encoder: &mut LabelSetEncoder<'_>) -> fmt::Result {
        ("trace_id", hex::encode(&self.0, &mut [0; 32]) as &str).encode(encoder.encode_label())
    }
}

/// Counts a duration, in seconds, of a request that belongs to this trace.
pub(super) fn observe(histogram: &TracedHistogram, seconds: f64, trace: Option<TraceId>) {
    let at = trace.map(|_| Timestamp::of_the_wall().to_system_time());
    histogram.observe(seconds, trace, at);
}
