//! The access log: one line and one count for each request, also if its client left before the answer.

use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

use axum::body::Body;
use http::{Method, Request, Response, StatusCode, Uri};
use tokio::time::Instant;
use tracing::info;

use crate::clock::Timestamp;
use crate::presence::{ConnectionFacts, Presence};
use crate::protocol::{Labels, RecordId};
use crate::routes::Matched;
use crate::telemetry::tail::EndedRequest;
use crate::telemetry::{Metrics, Span, TraceContext, TraceId, Traces, millis};

use super::attempt::Ran;

/// The outcome, in metrics and log, of a request with a client that left before the answer.
const CLIENT_LEFT: &str = "client-left";

/// A request from its head to its answer. Dropped before its end, it is logged as a request with a client
/// that left.
pub(super) struct AccessLine {
    metrics: Metrics,
    started: Instant,
    route: Arc<str>,
    method: Method,
    uri: Uri,
    client: Option<IpAddr>,
    /// Client presence, if the connection reports it.
    presence: Option<Presence>,
    record: Option<RecordId>,
    /// Number of the execution that the answer is about.
    execution: Option<u32>,
    /// Time of the call of the execution that the request ran.
    call: Option<Duration>,
    /// Time that the body took to arrive.
    body: Duration,
    labels: Labels,
    span: Span,
    /// The sampled trace of the request.
    trace: Option<TraceId>,
    ended: bool,
}

impl AccessLine {
    /// Begins the log entry of a request from the client at this address.
    pub(super) fn begin(
        metrics: &Metrics,
        request: &Request<Body>,
        matched: &Matched,
        client: Option<IpAddr>,
    ) -> Self {
        let route = match matched {
            Matched::Route(route) => Arc::clone(&route.name),
            _ => Arc::from(""),
        };
        Self {
            metrics: metrics.clone(),
            started: Instant::now(),
            route,
            method: request.method().clone(),
            uri: request.uri().clone(),
            client,
            presence: request.extensions().get().map(|facts: &ConnectionFacts| facts.presence.clone()),
            record: None,
            execution: None,
            call: None,
            body: Duration::ZERO,
            labels: Labels::default(),
            span: Span::default(),
            trace: None,
            ended: false,
        }
    }

    /// Begins the span of the request, and names it to the upstream as the parent.
    pub(super) fn traced(mut self, traces: &Traces, request: &mut Request<Body>) -> Self {
        self.span = traces.request(&self.method, &self.route, request.headers_mut());
        self.trace = TraceId::sampled(request.headers());
        self
    }

    /// Returns the place of the request's span.
    pub(super) fn trace(&self) -> TraceContext {
        self.span.context()
    }

    /// Names the route that the request is about, if it is not a request on that route.
    pub(super) fn about_route(&mut self, route: &Arc<str>) {
        self.route = Arc::clone(route);
    }

    /// Names the record that the request is about.
    pub(super) fn about(&mut self, record: RecordId) {
        self.record = Some(record);
    }

    /// Names the execution of the record that the answer is about, if there is one.
    pub(super) fn about_execution(&mut self, n: Option<u32>) {
        self.execution = n;
    }

    /// Names the execution that the request ran, if it ran one.
    pub(super) fn ran(&mut self, ran: Option<Ran>) {
        self.execution = ran.map(Ran::n);
        self.call = ran.map(Ran::call);
    }

    /// Notes the time that the body took to arrive.
    pub(super) fn body_took(&mut self, took: Duration) {
        self.body = took;
    }

    /// Adds the labels of the request.
    pub(super) fn labelled(&mut self, labels: &Labels) {
        self.labels = labels.clone();
    }

    /// Logs the answer, or that the client has given up on it.
    pub(super) fn end(mut self, outcome: &'static str, response: &Response<Body>) {
        if self.presence.as_ref().is_some_and(Presence::has_left) {
            return self.log(CLIENT_LEFT, None);
        }
        self.log(outcome, Some(response.status()));
    }

    fn log(&mut self, outcome: &'static str, status: Option<StatusCode>) {
        self.ended = true;
        let took: Duration = self.started.elapsed();
        self.metrics.request(&self.route, outcome, took, self.trace);
        // A client that left has waited for less than this.
        if let (Some(call), Some(_)) = (self.call, status) {
            self.metrics.added(&self.route, took.saturating_sub(call + self.body), self.trace);
        }
        self.end_span(outcome, status);
        info!(
            target: "oncegate::access",
            method = %self.method,
            path = self.uri.path(),
            route = %self.route,
            outcome,
            status = status.map(|status| status.as_u16()),
            record = self.record.as_ref().map(display),
            execution = self.execution,
            took_ms = millis(took),
            client = self.client.as_ref().map(display),
            labels = self.labels.shown().map(display),
        );
        self.metrics.tail().ended(|| EndedRequest {
            at: Timestamp::of_the_wall(),
            method: self.method.clone(),
            path: self.uri.path().to_owned(),
            route: Arc::clone(&self.route),
            outcome,
            status: status.map(|status| status.as_u16()),
            record: self.record,
            took,
            client: self.client,
            labels: self.labels.clone(),
        });
    }

    /// Ends the span with what the line says, except the labels.
    fn end_span(&mut self, outcome: &'static str, status: Option<StatusCode>) {
        let mut span = std::mem::take(&mut self.span);
        span.set("http.request.method", &self.method);
        span.set("url.path", self.uri.path());
        span.set("oncegate.route", &self.route);
        span.set("oncegate.outcome", outcome);
        if let Some(record) = &self.record {
            span.set("oncegate.record", record);
        }
        if let Some(n) = self.execution {
            span.set("oncegate.execution", n);
        }
        if let Some(client) = &self.client {
            span.set("client.address", client);
        }
        if let Some(status) = status {
            span.set("http.response.status_code", status.as_u16());
        }
        if status.is_none_or(|status| status.is_server_error()) {
            span.fail(outcome);
        }
    }
}

impl Drop for AccessLine {
    fn drop(&mut self) {
        if !self.ended {
            self.log(CLIENT_LEFT, None);
        }
    }
}
