//! The client side: one call over HTTP/1.1 or HTTP/2, and an exact statement of whether it can have been
//! sent.
//!
//! The client side deliberately never sends a request twice, follows a redirect, or decompresses a body.

use std::collections::BTreeMap;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use axum::body::Body;
use http::{Request, Response};
use tower::Service;

use crate::call::{CallError, CallLimit};
use crate::config::{Upstream, UpstreamName};
use crate::protocol::{Reason, Sent};
use crate::reload::ReloadError;

use self::client::Client;

mod call_timeout;
mod check;
mod client;
mod connector;
pub mod lenient;

mod pool;
mod shared;
mod timed_body;

pub use check::check;
pub use connector::Connector;

/// The proxy service: sends each request to the upstream named in its extensions.
#[derive(Clone)]
pub struct Proxy {
    clients: Arc<BTreeMap<UpstreamName, Arc<Client>>>,
    connectors: Arc<[(UpstreamName, Arc<Connector>)]>,
}

impl Proxy {
    /// Makes the clients of all upstreams of a configuration. No connection is made yet.
    ///
    /// # Errors
    /// Returns the name of an upstream over `https` without roots to trust or with unusable
    /// certificates, and the reason.
    pub fn new(upstreams: &BTreeMap<UpstreamName, Upstream>) -> Result<Self, (UpstreamName, ReloadError)> {
        let (mut clients, mut connectors) = (BTreeMap::new(), Vec::new());
        for (name, upstream) in upstreams {
            let connector = connector::connector(upstream).map_err(|why| (name.clone(), why))?;
            let connector = Arc::new(connector);
            clients.insert(name.clone(), Arc::new(Client::new(upstream, Arc::clone(&connector))));
            connectors.push((name.clone(), connector));
        }
        Ok(Self { clients: Arc::new(clients), connectors: connectors.into() })
    }

    /// Returns the connector of each upstream. The certificates of a connector may change.
    pub fn connectors(&self) -> impl Iterator<Item = (&UpstreamName, Arc<Connector>)> {
        self.connectors.iter().map(|(name, connector)| (name, Arc::clone(connector)))
    }
}

impl Service<Request<Body>> for Proxy {
    type Response = Response<Body>;
    type Error = CallError;
    type Future = Pin<Box<dyn Future<Output = Result<Response<Body>, CallError>> + Send>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), CallError>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: Request<Body>) -> Self::Future {
        let name = request.extensions().get::<UpstreamName>();
        let client = name.and_then(|name| self.clients.get(name)).cloned();
        let limit = request.extensions().get().copied().unwrap_or(CallLimit::Whole);
        Box::pin(async move {
            match client {
                Some(client) => client.call(request, limit).await,
                None => Err(CallError { sent: Sent::Never, reason: Reason::Unreachable, source: None }),
            }
        })
    }
}
