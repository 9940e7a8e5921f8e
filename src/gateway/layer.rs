//! The tower side of the gateway.

use std::convert::Infallible;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use axum::body::{Body, HttpBody};
use bytes::Bytes;
use http::{Request, Response};
use tokio::task::AbortHandle;
use tower::util::BoxCloneSyncService;
use tower::{BoxError, Layer, Service, ServiceExt};

use crate::call::CallError;

use super::exchange::exchange;
use super::{Gateway, Upstream};

/// A layer that puts a [`Gateway`] in front of a service.
#[derive(Clone)]
pub struct GatewayLayer {
    gateway: Arc<Gateway>,
    tasks: Option<Arc<Tasks>>,
}

impl GatewayLayer {
    /// Returns a layer of this gateway. All services made by the layer share its executions and limits.
    #[must_use]
    pub fn new(gateway: Arc<Gateway>) -> Self {
        Self { gateway, tasks: None }
    }

    /// Returns a layer that keeps these tasks running.
    pub(super) fn with_tasks(gateway: Arc<Gateway>, tasks: Tasks) -> Self {
        Self { gateway, tasks: Some(Arc::new(tasks)) }
    }
}

impl<S> Layer<S> for GatewayLayer
where
    S: Service<Request<Body>, Response = Response<Body>> + Clone + Send + Sync + 'static,
    S::Error: Into<CallError> + Send + 'static,
    S::Future: Send + 'static,
{
    type Service = GatewayService;

    fn layer(&self, inner: S) -> GatewayService {
        let inner = BoxCloneSyncService::new(inner.map_err(Into::into));
        GatewayService { gateway: Arc::clone(&self.gateway), inner, _tasks: self.tasks.clone() }
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
    _tasks: Option<Arc<Tasks>>,
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
        Box::pin(exchange(gateway, inner, request.map(Body::new)))
    }
}

/// Background tasks that end with the last of the services that need them.
pub(super) struct Tasks(pub(super) Vec<AbortHandle>);

impl Drop for Tasks {
    fn drop(&mut self) {
        self.0.iter().for_each(AbortHandle::abort);
    }
}
