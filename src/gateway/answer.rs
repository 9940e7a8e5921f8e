//! An upstream's response: read up to the size that the route keeps, and passed on as it comes beyond that.

use std::pin::Pin;
use std::task::{Context, Poll, ready};
use std::time::{Duration, SystemTime};

use axum::body::{Body, HttpBody};
use bytes::{Bytes, BytesMut};
use http::header::{CONTENT_LENGTH, CONTENT_TYPE, DATE};
use http::{HeaderMap, HeaderValue, Response, StatusCode};
use http_body::{Frame, SizeHint};
use http_body_util::BodyExt;
use http_body_util::channel::{Channel, Sender};
use tokio::select;
use tokio::time::timeout;

use crate::call::{CallError, Deadline, Unusable};
use crate::config::Route;
use crate::headers::{kept, prepare_response, reports_conflict};
use crate::protocol::{Reason, Sent, StoredResponse};
use crate::stop::Stop;

/// A response of the upstream.
#[derive(Clone, Debug)]
pub(super) struct Answer {
    pub(super) status: StatusCode,
    pub(super) headers: HeaderMap,
    /// The whole body, or `None` if it is passed on as it comes.
    pub(super) body: Option<Bytes>,
    /// True if the head cannot be passed on. The answer then has no headers, and its body is read and
    /// dropped.
    pub(super) unusable: bool,
}

/// The part of a response that is still to be passed on.
pub(super) struct Rest {
    read: Bytes,
    body: Body,
}

impl Answer {
    /// Tells whether the upstream says that the marker of this execution was there already, or may say so in
    /// a head that cannot be read.
    pub(super) fn reports_conflict(&self) -> bool {
        self.unusable || reports_conflict(&self.headers)
    }

    /// Reads a response with a body of up to `cap` bytes. Reads at most the first part of a longer body or of
    /// a stream. From then on, the response may take any time.
    ///
    /// # Errors
    /// Returns a [`CallError`] if the response broke off. The upstream may or may not have acted.
    pub(super) async fn read(
        response: Response<Body>,
        cap: usize,
    ) -> Result<(Self, Option<Rest>), CallError> {
        let (mut parts, mut body) = response.into_parts();
        let unusable = parts.extensions.get::<Unusable>().is_some();
        prepare_response(&mut parts.headers);
        // A replay keeps the date of the first response, so a date is needed (RFC 9110, 6.6.1).
        parts.headers.entry(DATE).or_insert_with(now);
        let (mut first, mut more) = (Bytes::new(), BytesMut::new());
        let declared = declared_length(&parts.headers);
        let mut open = unusable || is_stream(&parts.headers) || declared > cap as u64;
        while !open && let Some(frame) = body.frame().await {
            let Ok(data) = frame.map_err(broken_off)?.into_data() else { continue };
            if first.is_empty() && more.is_empty() {
                first = data;
            } else {
                if more.is_empty() {
                    // Growing by doubling would take twice as much memory as is counted.
                    more.reserve(usize::try_from(declared).unwrap_or(cap));
                    more.extend_from_slice(&std::mem::take(&mut first));
                }
                more.extend_from_slice(&data);
            }
            open = first.len() + more.len() > cap;
        }
        let read = if more.is_empty() { first } else { more.freeze() };
        if let (true, Some(deadline)) = (open, parts.extensions.get::<Deadline>()) {
            deadline.lift();
        }
        let (body, rest) = if open { (None, Some(Rest { read, body })) } else { (Some(read), None) };
        Ok((Self { status: parts.status, headers: parts.headers, body, unusable }, rest))
    }

    /// Returns the answer as a response to pass on. An answer that streams has no body yet.
    pub(super) fn response(&self) -> Response<Body> {
        let mut response = Response::new(Body::from(self.body.clone().unwrap_or_default()));
        *response.status_mut() = self.status;
        response.headers_mut().clone_from(&self.headers);
        response
    }

    /// Returns the parts that the route keeps, or `None` if the answer streams.
    pub(super) fn kept(&self, route: &Route) -> Option<StoredResponse> {
        let body = self.body.clone()?;
        let headers = kept(&self.headers, &route.replay_headers, &route.replay_drop);
        Some(StoredResponse { status: self.status, headers, body })
    }
}

impl Rest {
    /// Returns a body for the client and the future that fills it. After the client has left, the future
    /// still reads the rest, for `alone` at most, because an upstream that is cut off in its response may
    /// undo its work.
    pub(super) fn pump(self, stop: Stop, alone: Duration) -> (Body, impl Future<Output = ()> + Send) {
        let (sender, channel) = Channel::<Bytes, axum::Error>::new(1);
        (head_first(Body::new(channel), ()), self.fill(sender, stop, alone))
    }

    /// Passes the body on. Ends it with an error if it ends early, because a part must not pass for the
    /// whole.
    async fn fill(mut self, mut sender: Sender<Bytes, axum::Error>, stop: Stop, alone: Duration) {
        let mut taken = sender.send_data(std::mem::take(&mut self.read)).await;
        while taken.is_ok() {
            let frame = select! {
                frame = self.body.frame() => frame,
                () = stop.cut() => return sender.abort(axum::Error::new("the gateway shut down")),
            };
            match frame {
                Some(Ok(frame)) => taken = sender.send(frame).await,
                Some(Err(error)) => return sender.abort(error),
                None => return,
            }
        }
        let rest = async { while let Some(Ok(_)) = self.body.frame().await {} };
        select! {
            _ = timeout(alone, rest) => {}
            () = stop.cut() => {}
        }
    }
}

/// Delays the error of a body by one turn of the scheduler. When a body fails, the HTTP library drops all
/// bytes that it has not written yet, including the head of the response, and the client would receive
/// nothing. Drops `held` with the body, or at once if the body has ended.
pub(super) fn head_first<H: Send + Unpin + 'static>(body: Body, held: H) -> Body {
    if body.is_end_stream() { body } else { Body::new(HeadFirst { body, error: None, _held: held }) }
}

struct HeadFirst<H> {
    body: Body,
    error: Option<axum::Error>,
    _held: H,
}

impl<H: Unpin> HttpBody for HeadFirst<H> {
    type Data = Bytes;
    type Error = axum::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, axum::Error>>> {
        if let Some(error) = self.error.take() {
            return Poll::Ready(Some(Err(error)));
        }
        match ready!(Pin::new(&mut self.body).poll_frame(context)) {
            Some(Err(error)) => {
                self.error = Some(error);
                context.waker().wake_by_ref();
                Poll::Pending
            }
            frame => Poll::Ready(frame),
        }
    }

    fn is_end_stream(&self) -> bool {
        self.error.is_none() && self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}

fn now() -> HeaderValue {
    let date = httpdate::fmt_http_date(SystemTime::now());
    HeaderValue::try_from(date).expect("a formatted date is visible text")
}

/// Tells whether a response is a stream: server-sent events, or a type made of lines or parts without a
/// declared length.
fn is_stream(headers: &HeaderMap) -> bool {
    let kind = headers.get(CONTENT_TYPE).map(HeaderValue::as_bytes).unwrap_or_default();
    let kind = kind.split(|byte| *byte == b';').next().unwrap_or_default().trim_ascii();
    let is_one_of = |kinds: &[&str]| kinds.iter().any(|known| kind.eq_ignore_ascii_case(known.as_bytes()));
    is_one_of(&["text/event-stream"]) || (!headers.contains_key(CONTENT_LENGTH) && is_one_of(&STREAMS))
}

/// Content types that are used for streams and for documents.
const STREAMS: [&str; 9] = [
    "application/x-ndjson",
    "application/ndjson",
    "application/jsonl",
    "application/x-jsonlines",
    "application/json-seq",
    "application/stream+json",
    "application/x-json-stream",
    "application/vnd.amazon.eventstream",
    "multipart/x-mixed-replace",
];

fn declared_length(headers: &HeaderMap) -> u64 {
    headers.get(CONTENT_LENGTH).and_then(|length| length.to_str().ok()?.parse().ok()).unwrap_or(0)
}

/// Returns the error of a body that broke off. The upstream client's own error is kept. Any other inner
/// service has none, and its response counts as broken.
fn broken_off(error: axum::Error) -> CallError {
    match error.into_inner().downcast::<CallError>() {
        Ok(error) => *error,
        Err(source) => CallError { sent: Sent::Maybe, reason: Reason::BrokenAnswer, source: Some(source) },
    }
}
