//! A gateway that does the least that a gateway can do: read, hash, claim, forward, complete, replay.

use std::time::Duration;

use bytes::Bytes;
use http::{HeaderValue, Request, Response, StatusCode, header};
use http_body_util::{BodyExt, Full};
use hyper::body::Incoming;
use sha2::{Digest, Sha256};
use tokio::time::sleep;

use super::pool::Pool;
use super::records::{Claimed, Records};
use super::remove_hops;

/// Time for which a duplicate of a running operation waits before it asks again.
const POLL_PAUSE: Duration = Duration::from_millis(2);

pub struct Gateway {
    pub records: Records,
    pub pool: Pool<Full<Bytes>>,
}

impl Gateway {
    pub async fn answer(&self, request: Request<Incoming>) -> hyper::Result<Response<Full<Bytes>>> {
        let (mut head, body) = request.into_parts();
        let Some(key) = head.headers.get("idempotency-key").cloned() else {
            return Ok(plain(StatusCode::BAD_REQUEST));
        };
        let body = body.collect().await?.to_bytes();
        let digest = Sha256::digest(&body).into();
        loop {
            match self.records.claim(key.as_bytes(), digest).await {
                Claimed::Won => break,
                Claimed::Running => sleep(POLL_PAUSE).await,
                Claimed::Other => return Ok(plain(StatusCode::UNPROCESSABLE_ENTITY)),
                Claimed::Done(status, body) => return Ok(replay(status, body)),
            }
        }
        remove_hops(&mut head.headers);
        let Ok(response) = self.pool.send(Request::from_parts(head, Full::new(body))).await else {
            return Ok(plain(StatusCode::BAD_GATEWAY));
        };
        let (mut head, body) = response.into_parts();
        remove_hops(&mut head.headers);
        let body = body.collect().await?.to_bytes();
        self.records.complete(key.as_bytes(), digest, head.status.as_u16(), &body).await;
        Ok(Response::from_parts(head, Full::new(body)))
    }
}

fn replay(status: u16, body: Bytes) -> Response<Full<Bytes>> {
    let mut response = Response::new(Full::new(body));
    *response.status_mut() = StatusCode::from_u16(status).expect("a status was stored");
    let headers = response.headers_mut();
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("application/json"));
    headers.insert("idempotent-replayed", HeaderValue::from_static("true"));
    response
}

fn plain(status: StatusCode) -> Response<Full<Bytes>> {
    let mut response = Response::new(Full::default());
    *response.status_mut() = status;
    response
}
