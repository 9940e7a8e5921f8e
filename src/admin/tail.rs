//! `GET /v1/tail`: the requests of this gateway as they end, as server-sent events.
//!
//! An event `request` has a line of the access log as JSON, and an event `missed` the number of requests that
//! were left out because they came too fast. A page of another origin is refused, although it could not read
//! the events, because it would take the place of a watcher.

use std::convert::Infallible;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use axum::extract::{Request, State};
use axum::response::sse::{Event, KeepAlive};
use axum::response::{IntoResponse, Response, Sse};
use futures_core::Stream;
use http::{Method, StatusCode};
use serde::Serialize;
use tokio::sync::mpsc;
use tokio::time::sleep;
use tokio_util::sync::CancellationToken;

use crate::peer::Peer;
use crate::problem::Slug;
use crate::protocol::Labels;
use crate::telemetry::millis;
use crate::telemetry::tail::{EndedRequest, Watcher};

use super::origin::is_foreign;
use super::problem::AdminProblem;
use super::state::AdminState;
use super::view::by_name;

/// Time between two comments that keep an idle connection open.
const KEEP_ALIVE: Duration = Duration::from_secs(15);
/// Number of events after which a pause follows. With the pause, this bounds the events of a second.
const BURST: u32 = 50;
const PAUSE: Duration = Duration::from_millis(250);

/// A request that has ended, as an operator sees it.
#[derive(Serialize)]
struct TailLine<'a> {
    at: String,
    method: &'a str,
    path: &'a str,
    route: &'a str,
    outcome: &'a str,
    status: Option<u16>,
    record: Option<String>,
    took_ms: f64,
    client: Option<String>,
    #[serde(serialize_with = "by_name")]
    labels: Labels,
}

impl<'a> TailLine<'a> {
    fn of(ended: &'a EndedRequest) -> Self {
        Self {
            at: ended.at.to_string(),
            method: ended.method.as_str(),
            path: &ended.path,
            route: &ended.route,
            outcome: ended.outcome,
            status: ended.status,
            record: ended.record.map(|record| record.to_string()),
            took_ms: millis(ended.took),
            client: ended.client.map(|client| client.to_string()),
            labels: ended.labels.clone(),
        }
    }
}

pub(super) async fn tail(State(admin): State<AdminState>, request: Request) -> Response {
    let secure = request.extensions().get::<Peer>().map(|peer| peer.secure);
    if is_foreign(&Method::POST, request.headers(), secure) {
        let detail = "a page of another origin cannot watch the requests";
        return AdminProblem::http(StatusCode::FORBIDDEN, detail).into_response();
    }
    let Some(watcher) = admin.metrics.tail().watch() else {
        let detail = "as many operators watch the requests as can at once: close one of their consoles";
        return AdminProblem::new(Slug::Overloaded, detail).into_response();
    };
    let (send, receive) = mpsc::channel(1);
    tokio::spawn(forward(watcher, send, admin.draining));
    Sse::new(Events(receive)).keep_alive(KeepAlive::new().interval(KEEP_ALIVE)).into_response()
}

/// Forwards requests until the operator leaves or the gateway stops.
async fn forward(mut watcher: Watcher, to: mpsc::Sender<Event>, stopping: CancellationToken) {
    let mut burst = 0;
    loop {
        let next = tokio::select! {
            next = watcher.next() => next,
            () = to.closed() => return,
            () = stopping.cancelled() => return,
        };
        let event = match next {
            Ok(ended) => event_of(&ended),
            Err(missed) => Event::default().event("missed").data(missed.to_string()),
        };
        if to.send(event).await.is_err() {
            return;
        }
        burst += 1;
        if burst == BURST {
            burst = 0;
            sleep(PAUSE).await;
        }
    }
}

fn event_of(ended: &Arc<EndedRequest>) -> Event {
    let data = serde_json::to_string(&TailLine::of(ended)).unwrap_or_default();
    Event::default().event("request").data(data)
}

/// The events of one operator.
struct Events(mpsc::Receiver<Event>);

impl Stream for Events {
    type Item = Result<Event, Infallible>;

    fn poll_next(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        self.0.poll_recv(context).map(|event| event.map(Ok))
    }
}
