//! Traces of OpenTelemetry, with contexts as W3C Trace Context writes them.

use std::fmt::{self, Display};
use std::sync::Arc;

use http::header::HeaderName;
use http::{HeaderMap, HeaderValue, Method};
use opentelemetry::propagation::TextMapPropagator;
use opentelemetry::trace::{
    Span as _, SpanContext, SpanKind, Status, TraceContextExt, Tracer, TracerProvider,
};
use opentelemetry::{Context, KeyValue};
use opentelemetry_http::HeaderExtractor;
use opentelemetry_sdk::Resource;
use opentelemetry_sdk::propagation::TraceContextPropagator;
use opentelemetry_sdk::trace::{SdkTracer, SdkTracerProvider};

use crate::config::Otel;
use crate::telemetry::Metrics;

use super::export::{Exporting, TracesError};

const TRACEPARENT: HeaderName = HeaderName::from_static("traceparent");
const TRACESTATE: HeaderName = HeaderName::from_static("tracestate");
/// The name of the service, unless `OTEL_SERVICE_NAME` or `OTEL_RESOURCE_ATTRIBUTES` says another.
const SERVICE: &str = "oncegate";

/// The source of spans. Cheap to clone. Without an endpoint in the configuration, makes none.
#[derive(Clone, Debug, Default)]
pub struct Traces(Option<Source>);

#[derive(Clone, Debug)]
struct Source {
    tracer: SdkTracer,
    exporting: Arc<Exporting>,
}

/// A span. It ends when it is dropped.
#[derive(Default)]
pub struct Span(Option<(opentelemetry_sdk::trace::Span, SdkTracer)>);

/// The place of a span in its trace: the parent of further spans.
#[derive(Clone, Default)]
pub struct TraceContext(Option<(Context, SdkTracer)>);

impl Traces {
    /// Begins to export spans to the receiver that the configuration names.
    ///
    /// # Errors
    /// [`TracesError`] if the exporter cannot be made.
    pub fn start(otel: Option<&Otel>, metrics: &Metrics) -> Result<Self, TracesError> {
        let Some(otel) = otel else { return Ok(Self::default()) };
        let resource = resource();
        let (processor, exporting) = Exporting::to(otel, &resource, metrics.spans_dropped())?;
        let provider =
            SdkTracerProvider::builder().with_resource(resource).with_span_processor(processor).build();
        let source = Source { tracer: provider.tracer(SERVICE), exporting: Arc::new(exporting) };
        Ok(Self(Some(source)))
    }

    /// Begins the span of a request. It continues the trace that the headers name. From then on the headers
    /// name this span as the parent.
    pub fn request(&self, method: &Method, route: &str, headers: &mut HeaderMap) -> Span {
        let Some(Source { tracer, .. }) = &self.0 else { return Span::default() };
        let parent =
            TraceContextPropagator::new().extract_with_context(&Context::new(), &HeaderExtractor(headers));
        let name = if route.is_empty() { method.to_string() } else { format!("{method} {route}") };
        let builder = tracer.span_builder(name).with_kind(SpanKind::Server);
        let span = Span(Some((builder.start_with_context(tracer, &parent), tracer.clone())));
        span.write_to(headers);
        span
    }

    /// Waits until the spans so far are exported, but not for long.
    pub async fn finish(&self) {
        if let Some(source) = &self.0 {
            source.exporting.finish().await;
        }
    }
}

impl Span {
    /// Adds an attribute.
    pub fn set(&mut self, name: &'static str, value: impl Display) {
        if let Some((span, _)) = &mut self.0
            && span.is_recording()
        {
            span.set_attribute(KeyValue::new(name, value.to_string()));
        }
    }

    /// Marks the span as failed.
    pub fn fail(&mut self, why: &'static str) {
        if let Some((span, _)) = &mut self.0 {
            span.set_status(Status::error(why));
        }
    }

    /// Names this span as the parent in the headers of a request.
    pub fn write_to(&self, headers: &mut HeaderMap) {
        let Some((span, _)) = &self.0 else { return };
        let context = span.span_context();
        if let Ok(parent) = HeaderValue::try_from(traceparent(context)) {
            headers.insert(TRACEPARENT, parent);
        }
        let state = context.trace_state().header();
        match HeaderValue::try_from(state) {
            Ok(state) if !state.is_empty() => drop(headers.insert(TRACESTATE, state)),
            _ => drop(headers.remove(TRACESTATE)),
        }
    }

    /// Returns the place of this span.
    #[must_use]
    pub fn context(&self) -> TraceContext {
        let place = |(span, tracer): &(opentelemetry_sdk::trace::Span, SdkTracer)| {
            (Context::new().with_remote_span_context(span.span_context().clone()), tracer.clone())
        };
        TraceContext(self.0.as_ref().map(place))
    }
}

impl TraceContext {
    /// Begins the span of a call to another server.
    #[must_use]
    pub fn call(&self, name: &'static str) -> Span {
        self.begin(name, SpanKind::Client)
    }

    /// Begins the span of a step of the gateway itself.
    #[must_use]
    pub fn step(&self, name: &'static str) -> Span {
        self.begin(name, SpanKind::Internal)
    }

    fn begin(&self, name: &'static str, kind: SpanKind) -> Span {
        let begun = self.0.as_ref().map(|(parent, tracer)| {
            let span = tracer.span_builder(name).with_kind(kind).start_with_context(tracer, parent);
            (span, tracer.clone())
        });
        Span(begun)
    }
}

impl fmt::Debug for Span {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Span")
    }
}

impl fmt::Debug for TraceContext {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("TraceContext")
    }
}

/// Writes a context as version 00 of W3C Trace Context.
fn traceparent(context: &SpanContext) -> String {
    format!("00-{}-{}-{:02x}", context.trace_id(), context.span_id(), context.trace_flags().to_u8())
}

/// Returns the attributes of this process: those of the usual variables, and the name of the service.
fn resource() -> Resource {
    let named =
        |variable: &str, has: fn(&str) -> bool| std::env::var(variable).is_ok_and(|value| has(&value));
    let is_named = named("OTEL_SERVICE_NAME", |value| !value.is_empty())
        || named("OTEL_RESOURCE_ATTRIBUTES", |value| value.contains("service.name="));
    let resource = Resource::builder();
    let resource = if is_named { resource } else { resource.with_service_name(SERVICE) };
    resource.with_attribute(KeyValue::new("service.version", env!("CARGO_PKG_VERSION"))).build()
}
