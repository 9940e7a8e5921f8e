//! The bytes that an upstream sends in answer to a request.

use std::io;
use std::pin::{Pin, pin};
use std::task::{Context, Poll};

use http::header::{CONTENT_LENGTH, TRANSFER_ENCODING};
use http::{HeaderMap, HeaderName, Request, StatusCode};
use http_body_util::{BodyExt, Empty};
use hyper::body::Bytes;
use hyper::client::conn::http1;
use hyper_util::rt::TokioIo;
use oncegate::upstream::lenient::{Lenient, ResponseHead};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

use super::stream::{Client, Pieces, to_its_end};

/// The usual limit of a head, and a limit that most heads exceed.
const LIMITS: [usize; 2] = [64 * 1024, 48];

/// The result of reading a response.
#[derive(Debug, PartialEq, Eq)]
struct Outcome {
    status: StatusCode,
    /// `None` if the headers cannot be passed on.
    headers: Option<HeaderMap>,
    /// `None` if the body does not come to its end.
    body: Option<Bytes>,
}

/// Checks that a response has the same result in any pieces, and also beyond its limit except for the header
/// lines. If the library alone reads a response, the gateway reads the same one, unless its framing can be
/// read in two ways.
pub fn answer(data: &[u8]) {
    let [whole, skimmed] = LIMITS.map(|limit| read(data, Pieces::Whole, limit));
    for pieces in [Pieces::Single, Pieces::Mixed] {
        assert_eq!(read(data, pieces, LIMITS[0]), whole);
        assert_eq!(read(data, pieces, LIMITS[1]), skimmed);
    }
    let framed = |outcome: &Outcome| (outcome.status, outcome.body.clone());
    assert_eq!(
        skimmed.as_ref().map(framed),
        whole.as_ref().map(framed),
        "beyond its limit it is another one"
    );
    let Some(alone) = library(data) else { return };
    match whole {
        Some(whole) => agree(&whole, &alone),
        None => assert!(concerns_framing(data) || alone.status.is_informational(), "{alone:?} is lost"),
    }
}

fn agree(ours: &Outcome, library: &Outcome) {
    assert_eq!(ours.status, library.status);
    assert!(library.body.is_none() || ours.body == library.body, "{ours:?} {library:?}");
    let others = |headers: &Option<HeaderMap>| {
        let headers = headers.clone().expect("they can be passed on");
        let framing = |name: &HeaderName| {
            [CONTENT_LENGTH, TRANSFER_ENCODING]
                .iter()
                .any(|own| own.as_str() == name.as_str().replace('_', "-"))
        };
        let others = headers.iter().filter(|(name, _)| !framing(name));
        let mut others: Vec<_> = others.map(|(name, value)| (name.clone(), value.clone())).collect();
        // Removing an entry from a map reorders the others, but never those of one name.
        others.sort_by(|(one, _), (other, _)| one.as_str().cmp(other.as_str()));
        others
    };
    assert_eq!(others(&ours.headers), others(&library.headers));
    let length = ours.headers.as_ref().and_then(|headers| headers.get(CONTENT_LENGTH));
    if let (Some(length), Some(body)) = (length, &ours.body)
        && !body.is_empty()
    {
        assert_eq!(length.as_bytes(), body.len().to_string().as_bytes());
    }
}

fn concerns_framing(data: &[u8]) -> bool {
    let text: String = data.iter().map(|byte| char::from(*byte).to_ascii_lowercase()).collect();
    text.contains("content-length") || text.contains("transfer-encoding")
}

/// Reads the response as the gateway does.
fn read(data: &[u8], pieces: Pieces, limit: usize) -> Option<Outcome> {
    let (stream, line) = Lenient::new(Upstream { rest: Client::new(data, pieces), asked: false }, limit);
    line.announce(false);
    let mut outcome = called(stream)?;
    let ResponseHead { headers, .. } = line.take().expect("the lines wait beside the answer");
    outcome.headers = headers;
    Some(outcome)
}

/// Reads the response as the library does.
fn library(data: &[u8]) -> Option<Outcome> {
    called(Upstream { rest: Client::new(data, Pieces::Whole), asked: false })
}

fn called(stream: impl AsyncRead + AsyncWrite + Unpin) -> Option<Outcome> {
    to_its_end(async {
        let (mut sender, connection) =
            http1::handshake(TokioIo::new(stream)).await.expect("no handshake is made");
        let mut connection = pin!(connection);
        let mut call = pin!(async {
            let request = Request::post("/").body(Empty::<Bytes>::new()).expect("a request");
            let (head, body) = sender.send_request(request).await.ok()?.into_parts();
            let body = body.collect().await.ok().map(|body| body.to_bytes());
            Some(Outcome { status: head.status, headers: Some(head.headers), body })
        });
        std::future::poll_fn(|context| {
            let _ = connection.as_mut().poll(context);
            call.as_mut().poll(context)
        })
        .await
    })
}

/// A connection that delivers its bytes after the request was written.
struct Upstream<'a> {
    rest: Client<'a>,
    asked: bool,
}

impl AsyncRead for Upstream<'_> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        out: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        if self.asked { Pin::new(&mut self.rest).poll_read(context, out) } else { Poll::Pending }
    }
}

impl AsyncWrite for Upstream<'_> {
    fn poll_write(mut self: Pin<&mut Self>, _: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        self.asked = true;
        Poll::Ready(Ok(bytes.len()))
    }

    fn poll_flush(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }

    fn poll_shutdown(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }
}
