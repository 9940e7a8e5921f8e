//! Bytes sent through [`Strict`], read directly and through the HTTP library.

use std::cell::{Cell, RefCell};
use std::convert::Infallible;
use std::future::Future;
use std::io;
use std::pin::{Pin, pin};
use std::task::{Context, Poll, Waker};

use http::header::CONNECTION;
use http::{HeaderMap, HeaderValue, Request, Response};
use http_body_util::{BodyExt, Empty};
use hyper::body::{Bytes, Incoming};
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use oncegate::server::strict::{MAX_HEAD, MAX_HEADERS, Refusal, Strict};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

/// The number of bytes that arrive, or that are asked for, at once.
#[derive(Clone, Copy)]
pub enum Pieces {
    /// Every available byte, or as many as the buffer has room for.
    Whole,
    /// A single byte.
    Single,
    /// Between one and about thirty, decided by the bytes themselves.
    Mixed,
}

/// A connection that delivers these bytes in pieces and then ends. Bytes written to it are dropped.
pub struct Client<'a> {
    rest: &'a [u8],
    sizes: Sizes,
}

struct Sizes(Pieces, u64);

impl<'a> Client<'a> {
    pub fn new(bytes: &'a [u8], pieces: Pieces) -> Self {
        Self { rest: bytes, sizes: Sizes::of(bytes, pieces) }
    }
}

impl Sizes {
    fn of(bytes: &[u8], pieces: Pieces) -> Self {
        Self(
            pieces,
            bytes.iter().fold(7, |sum, byte| (sum ^ u64::from(*byte)).wrapping_mul(0x0100_0000_01b3)),
        )
    }

    fn next(&mut self) -> usize {
        self.1 = self.1.wrapping_mul(0x5851_f42d_4c95_7f2d).wrapping_add(1);
        match self.0 {
            Pieces::Whole => usize::MAX,
            Pieces::Single => 1,
            Pieces::Mixed => 1 + (self.1 >> 59) as usize,
        }
    }
}

impl AsyncRead for Client<'_> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        _: &mut Context<'_>,
        out: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let size = self.sizes.next().min(out.remaining()).min(self.rest.len());
        let (some, rest) = self.rest.split_at(size);
        out.put_slice(some);
        self.rest = rest;
        Poll::Ready(Ok(()))
    }
}

impl AsyncWrite for Client<'_> {
    fn poll_write(self: Pin<&mut Self>, _: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        Poll::Ready(Ok(bytes.len()))
    }

    fn poll_flush(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }

    fn poll_shutdown(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }
}

/// The output of [`Strict`].
pub struct Passed {
    pub bytes: Vec<u8>,
    pub refusal: Option<Refusal>,
    /// True if the output ended with an error, for example after a malformed chunk.
    pub broken: bool,
}

/// Reads until the end, an error, or a refused head. No byte may be read after a refused head.
pub fn passed(input: &[u8], pieces: Pieces) -> Passed {
    let (mut strict, refusals) = Strict::new(Client::new(input, pieces), Default::default());
    let mut sizes = Sizes::of(&[], pieces);
    let (mut bytes, mut room) = (Vec::new(), vec![0; 64 * 1024]);
    let context = &mut Context::from_waker(Waker::noop());
    let broken = loop {
        let size = sizes.next().min(room.len());
        let mut out = ReadBuf::new(&mut room[..size]);
        match Pin::new(&mut strict).poll_read(context, &mut out) {
            Poll::Ready(Ok(())) if out.filled().is_empty() => break false,
            Poll::Ready(Ok(())) => bytes.extend_from_slice(out.filled()),
            Poll::Ready(Err(_)) => break true,
            Poll::Pending => {
                assert!(refusals.get().is_some(), "nothing is left to wait for");
                break false;
            }
        }
    };
    Passed { bytes, refusal: refusals.get(), broken }
}

/// A request as the service behind the library receives it.
#[derive(Debug)]
pub struct Seen {
    pub method: String,
    pub target: String,
    pub headers: HeaderMap,
    /// `None` if the body does not come to its end.
    pub body: Option<Bytes>,
}

/// The library's reading of the output of [`Strict`], with the gateway's settings.
pub struct Served {
    pub requests: Vec<Seen>,
    pub refused: bool,
    /// The error with which the connection ended.
    pub error: Option<hyper::Error>,
}

/// Serves one connection to its end, as `server` does. A refused request reaches no service.
pub fn served(input: &[u8], pieces: Pieces) -> Served {
    let (strict, refusals) = Strict::new(Client::new(input, pieces), Default::default());
    let (requests, refused) = (RefCell::new(Vec::new()), Cell::new(false));
    let service = service_fn(async |request: Request<Incoming>| {
        let mut answer = Response::new(Empty::<Bytes>::new());
        if refusals.get().is_some() {
            refused.set(true);
            answer.headers_mut().insert(CONNECTION, HeaderValue::from_static("close"));
        } else {
            let seen = seen(request).await;
            requests.borrow_mut().push(seen);
        }
        Ok::<_, Infallible>(answer)
    });
    let mut http = http1::Builder::new();
    // Half-closed, because this client ends after its last byte and waits for no response.
    http.half_close(true).header_read_timeout(None).max_headers(MAX_HEADERS).max_buf_size(MAX_HEAD);
    let error = to_its_end(http.serve_connection(TokioIo::new(strict), service)).err();
    Served { requests: requests.take(), refused: refused.get(), error }
}

async fn seen(request: Request<Incoming>) -> Seen {
    let (head, body) = request.into_parts();
    let body = body.collect().await.ok().map(|body| body.to_bytes());
    Seen { method: head.method.to_string(), target: head.uri.to_string(), headers: head.headers, body }
}

/// Polls a future that waits for nothing outside itself.
pub fn to_its_end<F: Future>(future: F) -> F::Output {
    const PATIENCE: usize = 1_000_000;
    let mut future = pin!(future);
    for _ in 0..PATIENCE {
        if let Poll::Ready(output) = future.as_mut().poll(&mut Context::from_waker(Waker::noop())) {
            return output;
        }
    }
    panic!("the connection does not come to an end");
}
