//! Connections to the upstream, used again as soon as a response is read.

use std::net::SocketAddr;
use std::pin::Pin;
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Context, Poll};

use bytes::Bytes;
use http::{Request, Response};
use http_body::{Body, Frame, SizeHint};
use hyper::body::Incoming;
use hyper::client::conn::http1::{SendRequest, handshake};
use hyper_util::rt::TokioIo;
use tokio::net::TcpStream;

type Failure = Box<dyn std::error::Error + Send + Sync>;
type Idle<B> = Arc<Mutex<Vec<SendRequest<B>>>>;

/// The connections of one upstream.
pub struct Pool<B> {
    upstream: SocketAddr,
    idle: Idle<B>,
}

impl<B> Pool<B>
where
    B: Body<Data = Bytes> + Send + Unpin + 'static,
    B::Error: Into<Failure>,
{
    pub fn to(upstream: SocketAddr) -> Self {
        Self { upstream, idle: Idle::default() }
    }

    pub async fn send(&self, request: Request<B>) -> Result<Response<Answer<B>>, Failure> {
        let mut sender = match self.take() {
            Some(sender) => sender,
            None => self.connect().await?,
        };
        sender.ready().await?;
        let response = sender.send_request(request).await?;
        let idle = Arc::clone(&self.idle);
        Ok(response.map(|body| Answer { body, sender: Some(sender), idle }))
    }

    fn take(&self) -> Option<SendRequest<B>> {
        let mut idle = self.idle.lock().unwrap_or_else(PoisonError::into_inner);
        while let Some(sender) = idle.pop() {
            if !sender.is_closed() {
                return Some(sender);
            }
        }
        None
    }

    async fn connect(&self) -> Result<SendRequest<B>, Failure> {
        let stream = TcpStream::connect(self.upstream).await?;
        stream.set_nodelay(true)?;
        let (sender, connection) = handshake(TokioIo::new(stream)).await?;
        tokio::spawn(connection);
        Ok(sender)
    }
}

/// The body of a response. It returns its connection to the pool.
pub struct Answer<B> {
    body: Incoming,
    sender: Option<SendRequest<B>>,
    idle: Idle<B>,
}

impl<B> Body for Answer<B> {
    type Data = Bytes;
    type Error = hyper::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, hyper::Error>>> {
        Pin::new(&mut self.body).poll_frame(context)
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}

impl<B> Drop for Answer<B> {
    fn drop(&mut self) {
        // A connection with something left on it is not used again.
        if let Some(sender) = self.sender.take().filter(|_| self.body.is_end_stream()) {
            self.idle.lock().unwrap_or_else(PoisonError::into_inner).push(sender);
        }
    }
}
