//! A connection of HTTP/2, which requests share.
//!
//! The connection is used only after the server has sent its settings, so that a server that does not
//! speak HTTP/2 is sent no request. It takes no more requests at once than the settings allow, so that
//! no request waits in the library. The library sends a waiting request when there is room, even if the
//! request was given up by then. A request that waits there nevertheless is reset before its body, see
//! [`CancellableBody`].

use std::future::poll_fn;
use std::pin::{Pin, pin};
use std::sync::{Arc, Weak};
use std::task::{Context, Poll, ready};
use std::time::Duration;

use axum::body::{Body, HttpBody};
use bytes::Bytes;
use http_body::{Frame, SizeHint};
use hyper::client::conn::http2;
use hyper::rt::{Read, Write};
use hyper_util::rt::{TokioExecutor, TokioTimer};
use tokio::sync::watch;
use tokio::time::{Instant, interval};
use tower::BoxError;

use crate::buffers::STREAM_BUFFER;

use super::connector::Connect;
use super::lenient::MAX_LINES;

/// Maximum number of requests that share one connection: the number that servers are advised to allow at
/// least (RFC 9113, 6.5.2).
const MAX_STREAMS: usize = 100;
/// Time for which a connection is used, so that names are looked up again.
const MAX_AGE: Duration = Duration::from_secs(10 * 60);
/// Number of requests for which a connection is used, because the numbers of streams are limited.
const MAX_REQUESTS: u32 = 1 << 28;
/// Maximum number of bytes of one response body that are in transit or unread. The other half of the
/// memory counted for a streamed response is on its way to the client.
const STREAM_WINDOW: u32 = STREAM_BUFFER as u32 / 2;
/// Maximum number of such bytes of all responses on one connection.
const WINDOW: u32 = 1 << 20;
/// Bytes that HTTP/2 counts for a header beside its name and value (RFC 9113, 6.5.2).
const HEADER_OVERHEAD: usize = 32;
/// Interval at which a new connection is checked for the server's settings.
const SETTINGS_POLL: Duration = Duration::from_millis(1);
/// Interval of the pings to an upstream that owes responses and is silent.
const PING_INTERVAL: Duration = Duration::from_secs(10);
/// Time within which an upstream has to answer a ping.
const PING_TIMEOUT: Duration = Duration::from_secs(10);

pub(super) struct SharedConnection {
    sender: http2::SendRequest<Body>,
    /// Number of streams that the server allows at once.
    allowed: watch::Receiver<usize>,
    /// Cloned by each request that uses the connection.
    users: Arc<()>,
    made_by: Arc<Connect>,
    made: Instant,
    used: Instant,
    requests: u32,
}

impl SharedConnection {
    /// Begins to speak HTTP/2, and waits for the server's settings.
    pub(super) async fn begin(
        stream: impl Read + Write + Send + Unpin + 'static,
        made_by: Arc<Connect>,
        head_limit: usize,
    ) -> Result<Self, BoxError> {
        let (sender, connection) = builder(head_limit).handshake(stream).await?;
        let (allowed_sender, mut allowed) = watch::channel(0);
        tokio::spawn(async move {
            let (mut connection, mut poll_again) = (pin!(connection), interval(SETTINGS_POLL));
            let driven = poll_fn(|context| {
                let polled = connection.as_mut().poll(context);
                let now = connection.current_max_send_streams();
                // The arrival of the settings wakes no task here, because a task of the library reads
                // the frames.
                while now == 0 && poll_again.poll_tick(context).is_ready() {}
                allowed_sender.send_if_modified(|allowed| std::mem::replace(allowed, now) != now);
                polled
            });
            drop(driven.await);
        });
        allowed.wait_for(|allowed| *allowed > 0).await.map_err(|_| "it does not speak HTTP/2")?;
        let (users, now) = (Arc::new(()), Instant::now());
        Ok(Self { sender, allowed, users, made_by, made: now, used: now, requests: 0 })
    }

    /// Tells whether the connection is to be kept. Requests on a connection that is not kept run to
    /// their end.
    pub(super) fn is_usable(&mut self, connect: &Arc<Connect>, idle: Duration) -> bool {
        if Arc::strong_count(&self.users) > 1 {
            self.used = Instant::now();
        }
        !self.sender.is_closed()
            && Arc::ptr_eq(&self.made_by, connect)
            && self.made.elapsed() < MAX_AGE
            && self.used.elapsed() < idle
            && self.requests < MAX_REQUESTS
    }

    /// Returns the sender for one more request, if there is room.
    pub(super) fn share(&mut self) -> Option<(http2::SendRequest<Body>, Arc<()>)> {
        let users = Arc::strong_count(&self.users) - 1;
        if users >= MAX_STREAMS.min(*self.allowed.borrow()) {
            return None;
        }
        self.requests += 1;
        self.used = Instant::now();
        Some((self.sender.clone(), Arc::clone(&self.users)))
    }
}

/// Returns the settings of a connection. The library does not tell the status of a response with a head
/// over the library's own limit. Therefore that limit is far above `head_limit`.
fn builder(head_limit: usize) -> http2::Builder<TokioExecutor> {
    let library_limit = u32::try_from(4 * head_limit + HEADER_OVERHEAD * MAX_LINES).unwrap_or(u32::MAX);
    let mut builder = http2::Builder::new(TokioExecutor::new());
    builder
        .timer(TokioTimer::new())
        // No stream may be opened until the server's settings have come.
        .initial_max_send_streams(0)
        .initial_stream_window_size(STREAM_WINDOW)
        .initial_connection_window_size(WINDOW)
        .max_header_list_size(library_limit)
        .keep_alive_interval(PING_INTERVAL)
        .keep_alive_timeout(PING_TIMEOUT);
    builder
}

/// The body of a request while it is wanted. Once it is not, the body breaks off, which resets the
/// request before the upstream can take it as complete.
pub(super) struct CancellableBody {
    body: Body,
    alive: Weak<()>,
}

impl CancellableBody {
    pub(super) fn new(body: Body, alive: &Arc<()>) -> Self {
        Self { body, alive: Arc::downgrade(alive) }
    }
}

impl HttpBody for CancellableBody {
    type Data = Bytes;
    type Error = axum::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, axum::Error>>> {
        let frame = ready!(Pin::new(&mut self.body).poll_frame(cx));
        Poll::Ready(match self.alive.strong_count() {
            0 => Some(Err(axum::Error::new("the request is no longer wanted"))),
            _ => frame,
        })
    }

    /// Returns false always, so that the end of the body comes only after a check whether the request is
    /// wanted.
    fn is_end_stream(&self) -> bool {
        false
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}

#[cfg(test)]
mod tests {
    use http_body_util::BodyExt;

    use super::*;

    #[tokio::test]
    async fn a_body_ends_well_only_while_the_request_is_alive() {
        for body in ["", "{}"] {
            let alive = Arc::new(());
            let cancellable = CancellableBody::new(Body::from(body), &alive);
            assert!(!cancellable.is_end_stream());
            assert_eq!(cancellable.collect().await.expect("it is whole").to_bytes(), body);
            let cancellable = CancellableBody::new(Body::from(body), &alive);
            drop(alive);
            assert!(cancellable.collect().await.is_err());
        }
    }
}
