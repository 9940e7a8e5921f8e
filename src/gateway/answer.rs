//! An upstream's answer: read up to what the route keeps, passed on as it comes beyond that.

use std::time::SystemTime;

use axum::body::Body;
use bytes::{Bytes, BytesMut};
use http::header::{CONTENT_LENGTH, CONTENT_TYPE, DATE};
use http::{HeaderMap, HeaderValue, Response, StatusCode};
use http_body_util::BodyExt;
use http_body_util::channel::{Channel, Sender};
use tokio::select;

use crate::config::Route;
use crate::protocol::{CallError, Reason, Sent, StoredResponse};

use super::Stop;
use super::headers::{kept, prepare_response};

/// What the upstream answered.
#[derive(Clone, Debug)]
pub(super) struct Answer {
    pub(super) status: StatusCode,
    pub(super) headers: HeaderMap,
    /// The whole body, or `None` if it is passed on as it comes.
    pub(super) body: Option<Bytes>,
}

/// The part of an answer that is still to be passed on.
pub(super) struct Rest {
    read: Bytes,
    body: Body,
}

impl Answer {
    /// Reads an answer whose body has up to `cap` bytes; of a longer one, or of an event stream,
    /// only as much as shows what it is.
    ///
    /// # Errors
    /// The answer broke off. The upstream has acted or it has not, and nobody can tell.
    pub(super) async fn read(
        response: Response<Body>,
        cap: usize,
    ) -> Result<(Self, Option<Rest>), CallError> {
        let (mut parts, mut body) = response.into_parts();
        prepare_response(&mut parts.headers);
        // A replay keeps the date of the first answer, so there has to be one (RFC 9110, 6.6.1).
        parts.headers.entry(DATE).or_insert_with(now);
        let (mut first, mut more) = (Bytes::new(), BytesMut::new());
        let declared = declared_length(&parts.headers);
        let mut open = is_stream(&parts.headers) || declared > cap as u64;
        while !open && let Some(frame) = body.frame().await {
            let Ok(data) = frame.map_err(broken_off)?.into_data() else { continue };
            if first.is_empty() && more.is_empty() {
                first = data;
            } else {
                if more.is_empty() {
                    // Growing by doubling would take twice as much as is counted.
                    more.reserve(usize::try_from(declared).unwrap_or(cap));
                    more.extend_from_slice(&std::mem::take(&mut first));
                }
                more.extend_from_slice(&data);
            }
            open = first.len() + more.len() > cap;
        }
        let read = if more.is_empty() { first } else { more.freeze() };
        let (body, rest) = if open { (None, Some(Rest { read, body })) } else { (Some(read), None) };
        Ok((Self { status: parts.status, headers: parts.headers, body }, rest))
    }

    /// The answer as a response to pass on; one that streams has no body yet.
    pub(super) fn response(&self) -> Response<Body> {
        let mut response = Response::new(Body::from(self.body.clone().unwrap_or_default()));
        *response.status_mut() = self.status;
        response.headers_mut().clone_from(&self.headers);
        response
    }

    /// What the route keeps of it; `None` if it streams.
    pub(super) fn kept(&self, route: &Route) -> Option<StoredResponse> {
        let body = self.body.clone()?;
        let headers = kept(&self.headers, &route.replay_headers, &route.replay_drop);
        Some(StoredResponse { status: self.status, headers, body })
    }
}

impl Rest {
    /// A body for the client, and what fills it. The rest is read to its end also when the client
    /// is gone: an upstream that is cut off in its answer may well undo what it did.
    pub(super) fn pump(self, stop: Stop) -> (Body, impl Future<Output = ()> + Send) {
        let (sender, channel) = Channel::<Bytes, axum::Error>::new(1);
        (Body::new(channel), self.fill(sender, stop))
    }

    /// Whatever ends this early ends the body with an error: a part must not pass for the whole.
    async fn fill(mut self, mut sender: Sender<Bytes, axum::Error>, stop: Stop) {
        let mut listening = sender.send_data(self.read).await.is_ok();
        loop {
            let frame = select! {
                frame = self.body.frame() => frame,
                () = stop.cut() => return sender.abort(axum::Error::new("the gateway shut down")),
            };
            match frame {
                Some(Ok(frame)) if listening => listening = sender.send(frame).await.is_ok(),
                Some(Ok(_)) => {}
                Some(Err(error)) => return sender.abort(error),
                None => return,
            }
        }
    }
}

fn now() -> HeaderValue {
    let date = httpdate::fmt_http_date(SystemTime::now());
    HeaderValue::try_from(date).expect("a formatted date is visible text")
}

fn is_stream(headers: &HeaderMap) -> bool {
    let kind = headers.get(CONTENT_TYPE).map(|kind| kind.as_bytes().to_ascii_lowercase());
    kind.is_some_and(|kind| kind.starts_with(b"text/event-stream"))
}

fn declared_length(headers: &HeaderMap) -> u64 {
    headers.get(CONTENT_LENGTH).and_then(|length| length.to_str().ok()?.parse().ok()).unwrap_or(0)
}

/// The upstream client says what happened to the body in its own words; any other inner service
/// has none, and its answer counts as broken.
fn broken_off(error: axum::Error) -> CallError {
    match error.into_inner().downcast::<CallError>() {
        Ok(error) => *error,
        Err(source) => CallError { sent: Sent::Maybe, reason: Reason::BrokenAnswer, source: Some(source) },
    }
}
