//! The tower side of the gateway.

use std::convert::Infallible;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use axum::body::{Body, HttpBody};
use bytes::Bytes;
use http::{Request, Response};
use tower::util::BoxCloneSyncService;
use tower::{BoxError, Layer, Service};

use crate::call::CallError;

use super::exchange::exchange;
use super::{Gateway, Upstream};

/// A layer that puts a [`Gateway`] in front of a service.
#[derive(Clone)]
pub struct GatewayLayer(Arc<Gateway>);

impl GatewayLayer {
    /// Returns a layer of this gateway. All services made by the layer share its executions and limits.
    #[must_use]
    pub fn new(gateway: Arc<Gateway>) -> Self {
        Self(gateway)
    }
}

impl<S> Layer<S> for GatewayLayer
where
    S: Service<Request<Body>, Response = Response<Body>, Error = CallError> + Clone + Send + Sync + 'static,
    S::Future: Send + 'static,
{
    type Service = GatewayService;

    fn layer(&self, inner: S) -> GatewayService {
        GatewayService { gateway: Arc::clone(&self.0), inner: BoxCloneSyncService::new(inner) }
    }
}

/// A service that lets each operation through to its inner service once.
///
/// The service is always ready. The execution that calls the inner service awaits its readiness, so requests
/// that never reach it do not reserve it.
#[derive(Clone)]
pub struct GatewayService {
    gateway: Arc<Gateway>,
    inner: Upstream,
}

impl<B> Service<Request<B>> for GatewayService
where
    B: HttpBody<Data = Bytes> + Send + 'static,
    B::Error: Into<BoxError>,
{
    type Response = Response<Body>;
    type Error = Infallible;
    type Future = Pin<Box<dyn Future<Output = Result<Response<Body>, Infallible>> + Send>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: Request<B>) -> Self::Future {
        let (gateway, inner) = (Arc::clone(&self.gateway), self.inner.clone());
        Box::pin(async move { Ok(exchange(gateway, inner, request.map(Body::new)).await) })
    }
}
