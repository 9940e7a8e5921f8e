//! The way of spans to their receiver: a bounded queue, and one task that sends batches.
//!
//! No request waits for a span. A span that finds the queue full, or that the receiver does not take, is
//! dropped and counted.

use std::time::Duration;

use opentelemetry::Context;
use opentelemetry_otlp::{Protocol, SpanExporter, WithExportConfig, WithHttpConfig};
use opentelemetry_sdk::Resource;
use opentelemetry_sdk::error::OTelSdkResult;
use opentelemetry_sdk::trace::{Span, SpanData, SpanExporter as _, SpanProcessor};
use parking_lot::Mutex;
use prometheus_client::metrics::counter::Counter;
use thiserror::Error;
use tokio::sync::mpsc::{Receiver, Sender, channel};
use tokio::task::JoinHandle;
use tokio::time::{sleep, timeout};
use tokio_util::sync::CancellationToken;
use tracing::warn;

use crate::config::Otel;
use crate::pem::PemError;
use crate::telemetry::Limited;

use super::client::Client;

/// Number of spans that may wait, a few hundred bytes each.
const QUEUED: usize = 8192;
/// Largest number of spans in one request, as OpenTelemetry recommends.
const BATCH: usize = 512;
/// Pause between two requests, in which a batch grows.
const PAUSE: Duration = Duration::from_millis(500);
/// Longest time that the receiver has for a batch.
const EXPORT_TIMEOUT: Duration = Duration::from_secs(10);
/// Longest time for the last spans at the end of the process.
const LAST_SPANS: Duration = Duration::from_secs(2);
/// Pause between two warnings that spans are dropped.
const WARNING_PERIOD: Duration = Duration::from_secs(60);

/// The reason why no spans can be exported.
#[derive(Debug, Error)]
pub enum TracesError {
    /// No trusted roots for a receiver with TLS.
    #[error(transparent)]
    Roots(#[from] PemError),
    /// An endpoint or a variable of the exporter that it does not accept.
    #[error("{0}")]
    Exporter(String),
}

/// The task that exports.
#[derive(Debug)]
pub(super) struct Exporting {
    ending: CancellationToken,
    task: Mutex<Option<JoinHandle<()>>>,
}

/// The queue of ended spans.
#[derive(Debug)]
pub(super) struct Queue {
    spans: Sender<SpanData>,
    dropped: Counter,
}

impl Exporting {
    /// Starts to export to the receiver that the configuration names. Returns the queue, too.
    pub(super) fn to(
        otel: &Otel,
        resource: &Resource,
        dropped: Counter,
    ) -> Result<(Queue, Self), TracesError> {
        let mut exporter = SpanExporter::builder()
            .with_http()
            .with_http_client(Client::of(&otel.endpoint)?)
            .with_protocol(Protocol::HttpBinary)
            .with_endpoint(otel.traces())
            .with_timeout(EXPORT_TIMEOUT)
            .build()
            .map_err(|error| TracesError::Exporter(error.to_string()))?;
        exporter.set_resource(resource);
        let ((spans, ended), ending) = (channel(QUEUED), CancellationToken::new());
        let task = tokio::spawn(export(exporter, ended, dropped.clone(), ending.clone()));
        Ok((Queue { spans, dropped }, Self { ending, task: Mutex::new(Some(task)) }))
    }

    /// Sends the spans that still wait, and waits for that.
    pub(super) async fn finish(&self) {
        self.ending.cancel();
        let task = self.task.lock().take();
        if let Some(task) = task {
            drop(timeout(LAST_SPANS, task).await);
        }
    }
}

impl SpanProcessor for Queue {
    fn on_start(&self, _: &mut Span, _: &Context) {}

    fn on_end(&self, span: SpanData) {
        if span.span_context.is_sampled() && self.spans.try_send(span).is_err() {
            self.dropped.inc();
        }
    }

    fn force_flush(&self) -> OTelSdkResult {
        Ok(())
    }

    fn shutdown_with_timeout(&self, _: Duration) -> OTelSdkResult {
        Ok(())
    }
}

/// Sends batches until the end of the process.
async fn export(
    exporter: SpanExporter,
    mut ended: Receiver<SpanData>,
    dropped: Counter,
    ending: CancellationToken,
) {
    let warnings = Limited::new(1, WARNING_PERIOD);
    loop {
        let batch = next_batch(&mut ended, &ending).await;
        let spans = batch.len();
        if spans == 0 {
            return;
        }
        if let Err(why) = send(&exporter, batch).await {
            dropped.inc_by(spans as u64);
            if warnings.ask().is_some() {
                warn!(spans, "spans are dropped, because the receiver did not take them: {why}");
            }
        }
        if spans < BATCH {
            ending.run_until_cancelled(sleep(PAUSE)).await;
        }
    }
}

/// Waits for ended spans. Once the process ends, returns the queued ones at once, and at last none.
async fn next_batch(ended: &mut Receiver<SpanData>, ending: &CancellationToken) -> Vec<SpanData> {
    let mut batch = Vec::new();
    ending.run_until_cancelled(ended.recv_many(&mut batch, BATCH)).await;
    while batch.len() < BATCH
        && let Ok(span) = ended.try_recv()
    {
        batch.push(span);
    }
    batch
}

/// Sends a batch. Says why the receiver did not take it.
async fn send(exporter: &SpanExporter, batch: Vec<SpanData>) -> Result<(), String> {
    match timeout(EXPORT_TIMEOUT, exporter.export(batch)).await {
        Ok(exported) => exported.map_err(|error| error.to_string()),
        Err(_) => Err(format!("no answer within {EXPORT_TIMEOUT:?}")),
    }
}
