//! The HTTP client of the exporter.

use std::fmt;
use std::future::Future;
use std::pin::Pin;

use bytes::Bytes;
use http::{Request, Response, Uri};
use http_body_util::{BodyExt, Full, Limited};
use opentelemetry_http::{HttpClient, HttpError};

use crate::pem::PemError;
use crate::receiver_client::{ReceiverClient, receiver_client};

/// Largest body of an answer, in bytes.
const ANSWER_LIMIT: usize = 64 * 1024;

/// A client of a receiver, over HTTP or HTTPS.
pub(super) struct Client(ReceiverClient);

impl Client {
    /// Creates a client that trusts the usual roots.
    ///
    /// # Errors
    /// [`PemError`] if the URL is `https://` and this machine has no usual roots.
    pub(super) fn of(url: &Uri) -> Result<Self, PemError> {
        receiver_client(url).map(Self)
    }

    async fn send(&self, request: Request<Bytes>) -> Result<Response<Bytes>, HttpError> {
        let (head, body) = self.0.request(request.map(Full::from)).await?.into_parts();
        let body = Limited::new(body, ANSWER_LIMIT).collect().await?.to_bytes();
        Ok(Response::from_parts(head, body))
    }
}

impl fmt::Debug for Client {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Client")
    }
}

impl HttpClient for Client {
    // The signature that the macro async-trait makes of the trait's function.
    fn send_bytes<'this, 'sent>(
        &'this self,
        request: Request<Bytes>,
    ) -> Pin<Box<dyn Future<Output = Result<Response<Bytes>, HttpError>> + Send + 'sent>>
    where
        'this: 'sent,
        Self: 'sent,
    {
        Box::pin(self.send(request))
    }
}
