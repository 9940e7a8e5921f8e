//! A connection of HTTP/2, which requests share.
//!
//! It is used once the server has sent its settings, so that a server which does not speak HTTP/2 is
//! sent no request, and for no more requests at once than they allow, so that none waits in the library:
//! what waits there is sent when there is room, whether or not anybody still wants it. Should one wait
//! all the same, it is reset before its body: [`Wanted`].

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

use crate::config::STREAM_BUFFER;

use super::connector::Connect;
use super::lenient::MAX_LINES;

/// How many requests share one connection at most: what servers are asked to allow at least
/// (RFC 9113, 6.5.2).
const STREAMS: usize = 100;
/// How long a connection is used, so that names are looked up again.
const AGE: Duration = Duration::from_secs(10 * 60);
/// How many requests it is used for: the numbers of streams end.
const REQUESTS: u32 = 1 << 28;
/// How much of one answer's body may be on its way or unread, in bytes; the other half of what an answer
/// that streams is counted with is on its way to the client.
const STREAM_WINDOW: u32 = STREAM_BUFFER as u32 / 2;
/// And of all answers on one connection.
const WINDOW: u32 = 1 << 20;
/// Bytes that HTTP/2 counts for a header beside its name and value (RFC 9113, 6.5.2).
const LINE: usize = 32;
/// How often it is looked whether a new connection's settings have come.
const SETTINGS_LOOK: Duration = Duration::from_millis(1);
/// How often an upstream that owes answers and says nothing is asked whether it is there.
const PING_EVERY: Duration = Duration::from_secs(10);
/// And how long it may take to answer.
const PING_TIMEOUT: Duration = Duration::from_secs(10);

pub(super) struct Shared {
    sender: http2::SendRequest<Body>,
    /// How many streams the server allows at once.
    allowed: watch::Receiver<usize>,
    /// Cloned by each request that uses it.
    users: Arc<()>,
    made_by: Arc<Connect>,
    made: Instant,
    used: Instant,
    requests: u32,
}

impl Shared {
    /// Begins to speak HTTP/2, and waits for the server's settings.
    pub(super) async fn begin(
        stream: impl Read + Write + Send + Unpin + 'static,
        made_by: Arc<Connect>,
        head_limit: usize,
    ) -> Result<Self, BoxError> {
        let (sender, connection) = builder(head_limit).handshake(stream).await?;
        let (tell, mut allowed) = watch::channel(0);
        tokio::spawn(async move {
            let (mut connection, mut look_again) = (pin!(connection), interval(SETTINGS_LOOK));
            let driven = poll_fn(|context| {
                let polled = connection.as_mut().poll(context);
                let now = connection.current_max_send_streams();
                // Nobody is told when the settings come; the frames are read by a task of the library's.
                while now == 0 && look_again.poll_tick(context).is_ready() {}
                tell.send_if_modified(|allowed| std::mem::replace(allowed, now) != now);
                polled
            });
            drop(driven.await);
        });
        allowed.wait_for(|allowed| *allowed > 0).await.map_err(|_| "it does not speak HTTP/2")?;
        let (users, now) = (Arc::new(()), Instant::now());
        Ok(Self { sender, allowed, users, made_by, made: now, used: now, requests: 0 })
    }

    /// Whether it is to be kept. What runs on one that is not ends by itself.
    pub(super) fn is_fit(&mut self, connect: &Arc<Connect>, idle: Duration) -> bool {
        if Arc::strong_count(&self.users) > 1 {
            self.used = Instant::now();
        }
        !self.sender.is_closed()
            && Arc::ptr_eq(&self.made_by, connect)
            && self.made.elapsed() < AGE
            && self.used.elapsed() < idle
            && self.requests < REQUESTS
    }

    /// For one request more, if there is room.
    pub(super) fn share(&mut self) -> Option<(http2::SendRequest<Body>, Arc<()>)> {
        let users = Arc::strong_count(&self.users) - 1;
        if users >= STREAMS.min(*self.allowed.borrow()) {
            return None;
        }
        self.requests += 1;
        self.used = Instant::now();
        Some((self.sender.clone(), Arc::clone(&self.users)))
    }
}

/// Sets the limits of a connection. The library does not tell the status of an answer whose head is over its own limit,
/// so that one is far above `head_limit`.
fn builder(head_limit: usize) -> http2::Builder<TokioExecutor> {
    let library_limit = u32::try_from(4 * head_limit + LINE * MAX_LINES).unwrap_or(u32::MAX);
    let mut builder = http2::Builder::new(TokioExecutor::new());
    builder
        .timer(TokioTimer::new())
        // Until its settings have come.
        .initial_max_send_streams(0)
        .initial_stream_window_size(STREAM_WINDOW)
        .initial_connection_window_size(WINDOW)
        .max_header_list_size(library_limit)
        .keep_alive_interval(PING_EVERY)
        .keep_alive_timeout(PING_TIMEOUT);
    builder
}

/// The body of a request that somebody waits for; without them it breaks off, which resets the request
/// before the upstream can take it for whole.
pub(super) struct Wanted {
    body: Body,
    by: Weak<()>,
}

impl Wanted {
    pub(super) fn new(body: Body, by: &Arc<()>) -> Self {
        Self { body, by: Arc::downgrade(by) }
    }
}

impl HttpBody for Wanted {
    type Data = Bytes;
    type Error = axum::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, axum::Error>>> {
        let frame = ready!(Pin::new(&mut self.body).poll_frame(cx));
        Poll::Ready(match self.by.strong_count() {
            0 => Some(Err(axum::Error::new("nobody waits for this any more"))),
            _ => frame,
        })
    }

    /// Never at once: the end of a body comes after a look at who waits.
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
    async fn a_body_ends_well_only_while_somebody_waits() {
        for body in ["", "{}"] {
            let wants = Arc::new(());
            let wanted = Wanted::new(Body::from(body), &wants);
            assert!(!wanted.is_end_stream());
            assert_eq!(wanted.collect().await.expect("it is whole").to_bytes(), body);
            let wanted = Wanted::new(Body::from(body), &wants);
            drop(wants);
            assert!(wanted.collect().await.is_err());
        }
    }
}
