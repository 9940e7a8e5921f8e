//! The client side: one call over HTTP/1.1 or HTTP/2, and an exact statement of whether it can have been
//! sent.
//!
//! The client side deliberately never sends a request twice, follows a redirect, or decompresses a body.

use std::collections::{BTreeMap, BTreeSet};
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use arc_swap::ArcSwap;
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

/// The proxy service: sends each request to the upstream named in its extensions. Clones share the upstreams.
#[derive(Clone)]
pub struct Proxy(Arc<ArcSwap<Upstreams>>);

/// The upstreams by name, with those that only requests of an earlier configuration lead to.
type Upstreams = BTreeMap<UpstreamName, Known>;

/// An upstream and the parts that reach it.
#[derive(Clone)]
struct Known {
    settings: Upstream,
    client: Arc<Client>,
    connector: Arc<Connector>,
}

/// Clients that are made and not yet in use.
pub struct NewUpstreams(Upstreams);

impl Proxy {
    /// Makes the clients of all upstreams of a configuration. No connection is made yet.
    ///
    /// # Errors
    /// Returns the name of an upstream over `https` without roots to trust or with unusable
    /// certificates, and the reason.
    pub fn new(upstreams: &BTreeMap<UpstreamName, Upstream>) -> Result<Self, (UpstreamName, ReloadError)> {
        let proxy = Self(Arc::default());
        let made = proxy.make(upstreams)?;
        proxy.add(made);
        Ok(proxy)
    }

    /// Makes the clients of those upstreams that the proxy does not know yet.
    ///
    /// # Errors
    /// As [`Proxy::new`].
    pub fn make(
        &self,
        upstreams: &BTreeMap<UpstreamName, Upstream>,
    ) -> Result<NewUpstreams, (UpstreamName, ReloadError)> {
        let (known, mut made) = (self.0.load(), Upstreams::new());
        for (name, settings) in upstreams.iter().filter(|(name, _)| !known.contains_key(*name)) {
            let connector = connector::connector(settings).map_err(|why| (name.clone(), why))?;
            let connector = Arc::new(connector);
            let client = Arc::new(Client::new(settings, Arc::clone(&connector)));
            made.insert(name.clone(), Known { settings: settings.clone(), client, connector });
        }
        Ok(NewUpstreams(made))
    }

    /// Adds upstreams beside those that are known. No request leads to them before a route does.
    pub fn add(&self, NewUpstreams(made): NewUpstreams) {
        let mut all = Upstreams::clone(&self.0.load());
        all.extend(made);
        self.0.store(Arc::new(all));
    }

    /// Forgets the upstreams that no configuration, route or request names any more, and returns their names.
    /// Their idle connections are closed.
    #[must_use]
    pub fn forget_unused(&self) -> Vec<String> {
        let all = self.0.load_full();
        let unused: BTreeSet<&UpstreamName> = all.keys().filter(|name| name.is_unused()).collect();
        if !unused.is_empty() {
            let used = all.iter().filter(|(name, _)| !unused.contains(name));
            self.0.store(Arc::new(used.map(|(name, known)| (name.clone(), known.clone())).collect()));
        }
        unused.into_iter().map(ToString::to_string).collect()
    }

    /// Returns the settings of all upstreams that are known.
    #[must_use]
    pub fn upstreams(&self) -> BTreeMap<UpstreamName, Upstream> {
        let all = self.0.load();
        all.iter().map(|(name, known)| (name.clone(), known.settings.clone())).collect()
    }

    /// Returns the connector of each upstream. The certificates of a connector may change.
    pub fn connectors(&self) -> impl Iterator<Item = (UpstreamName, Arc<Connector>)> {
        let all = self.0.load_full();
        let connectors = all.iter().map(|(name, known)| (name.clone(), Arc::clone(&known.connector)));
        connectors.collect::<Vec<_>>().into_iter()
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
        let client = name.and_then(|name| Some(Arc::clone(&self.0.load().get(name)?.client)));
        let limit = request.extensions().get().copied().unwrap_or(CallLimit::Whole);
        Box::pin(async move {
            match client {
                Some(client) => client.call(request, limit).await,
                None => Err(CallError { sent: Sent::Never, reason: Reason::Unreachable, source: None }),
            }
        })
    }
}
