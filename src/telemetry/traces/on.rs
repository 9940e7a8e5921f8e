//! Traces of OpenTelemetry, with contexts as W3C Trace Context writes them.

use std::borrow::Cow;
use std::fmt::{self, Display};
use std::str::FromStr;
use std::sync::Arc;

use http::{HeaderMap, HeaderValue, Method};
use opentelemetry::trace::{
    Span as _, SpanContext, SpanId, SpanKind, Status, TraceContextExt, TraceFlags, TraceId, TraceState,
    Tracer, TracerProvider,
};
use opentelemetry::{Context, KeyValue};
use opentelemetry_sdk::Resource;
use opentelemetry_sdk::trace::{SdkTracer, SdkTracerProvider};

use crate::config::Otel;
use crate::headers::{TRACEPARENT, TRACESTATE, TraceParent};
use crate::telemetry::Metrics;

use super::export::{Exporting, TracesError};

/// The name of the service, unless `OTEL_SERVICE_NAME` or `OTEL_RESOURCE_ATTRIBUTES` says another.
const SERVICE: &str = "oncegate";

/// The methods that name their spans. Clients may invent others.
const METHODS: [Method; 7] =
    [Method::GET, Method::HEAD, Method::POST, Method::PUT, Method::PATCH, Method::DELETE, Method::OPTIONS];

/// The source of spans. Cheap to clone. Without an endpoint in the configuration, makes none.
#[derive(Clone, Debug, Default)]
pub struct Traces(Option<Source>);

#[derive(Clone, Debug)]
struct Source {
    tracer: SdkTracer,
    exporting: Arc<Exporting>,
}

/// A span. It ends when it is dropped. On the heap, so that a request without spans has no room for them.
#[derive(Default)]
pub struct Span(Option<Box<Begun>>);

struct Begun {
    span: opentelemetry_sdk::trace::Span,
    tracer: SdkTracer,
}

/// The place of a span in its trace: the parent of further spans.
#[derive(Clone, Default)]
pub struct TraceContext(Option<Arc<Parent>>);

struct Parent {
    context: Context,
    tracer: SdkTracer,
}

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
        let method = if METHODS.contains(method) { method.as_str() } else { "HTTP" };
        let name = if route.is_empty() { method.to_owned() } else { format!("{method} {route}") };
        let span = begin(tracer, name.into(), SpanKind::Server, &parent(headers));
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
        if let Some(Begun { span, .. }) = self.0.as_deref_mut()
            && span.is_recording()
        {
            span.set_attribute(KeyValue::new(name, value.to_string()));
        }
    }

    /// Marks the span as failed.
    pub fn fail(&mut self, why: &'static str) {
        if let Some(Begun { span, .. }) = self.0.as_deref_mut() {
            span.set_status(Status::error(why));
        }
    }

    /// Names this span as the parent in the headers of a request.
    pub fn write_to(&self, headers: &mut HeaderMap) {
        let Some(Begun { span, .. }) = self.0.as_deref() else { return };
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
        let parent = |begun: &Begun| Parent {
            context: Context::new().with_remote_span_context(begun.span.span_context().clone()),
            tracer: begun.tracer.clone(),
        };
        TraceContext(self.0.as_deref().map(parent).map(Arc::new))
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
        self.0
            .as_deref()
            .map_or_else(Span::default, |parent| begin(&parent.tracer, name.into(), kind, &parent.context))
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

fn begin(tracer: &SdkTracer, name: Cow<'static, str>, kind: SpanKind, parent: &Context) -> Span {
    let span = tracer.span_builder(name).with_kind(kind).start_with_context(tracer, parent);
    Span(Some(Box::new(Begun { span, tracer: tracer.clone() })))
}

/// Returns the context that the headers of a request name. A state that cannot be read is dropped.
fn parent(headers: &HeaderMap) -> Context {
    let Some(parent) = TraceParent::of(headers) else { return Context::new() };
    let lines = headers.get_all(TRACESTATE).iter().map(HeaderValue::to_str);
    let state = lines.collect::<Result<Vec<_>, _>>().map(|lines| lines.join(","));
    let state = state.ok().and_then(|state| TraceState::from_str(&state).ok()).unwrap_or_default();
    let (trace, span) = (TraceId::from_bytes(parent.trace), SpanId::from_bytes(parent.span));
    let flags = TraceFlags::NOT_SAMPLED.with_sampled(parent.is_sampled);
    Context::new().with_remote_span_context(SpanContext::new(trace, span, flags, true, state))
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
