//! Traces of a build without the feature `otel`: none.

use std::convert::Infallible;
use std::fmt::Display;

use http::{HeaderMap, Method};

use crate::config::Otel;
use crate::telemetry::Metrics;

/// The source of spans. Makes none.
#[derive(Clone, Debug, Default)]
pub struct Traces(());

/// A span that is not recorded.
#[derive(Debug, Default)]
pub struct Span(());

/// The place of a span in its trace. There is none.
#[derive(Clone, Debug, Default)]
pub struct TraceContext(());

impl Traces {
    /// Returns a source that makes no spans.
    ///
    /// # Errors
    /// Never.
    pub fn start(_: Option<&Otel>, _: &Metrics) -> Result<Self, Infallible> {
        Ok(Self(()))
    }

    /// Begins no span, and leaves the headers as they are.
    pub fn request(&self, _: &Method, _: &str, _: &mut HeaderMap) -> Span {
        Span(())
    }

    /// Returns at once.
    pub async fn finish(&self) {}
}

impl Span {
    /// Ignores an attribute.
    pub fn set(&mut self, _: &'static str, _: impl Display) {}

    /// Ignores a failure.
    pub fn fail(&mut self, _: &'static str) {}

    /// Leaves the headers as they are.
    pub fn write_to(&self, _: &mut HeaderMap) {}

    /// Returns the place of no span.
    #[must_use]
    pub fn context(&self) -> TraceContext {
        TraceContext(())
    }
}

impl TraceContext {
    /// Begins no span.
    #[must_use]
    pub fn call(&self, _: &'static str) -> Span {
        Span(())
    }

    /// Begins no span.
    #[must_use]
    pub fn step(&self, _: &'static str) -> Span {
        Span(())
    }
}
