//! The connections to one server that were made together, and the choice among them.

use std::sync::atomic::{AtomicUsize, Ordering};

use redis::aio::MultiplexedConnection;
use redis::{AsyncConnectionConfig, Client, Value};
use tokio::sync::OnceCell;

use crate::workers;

use super::failure::Failure;
use super::script::{Acknowledged, Loaded, Permitted, Request, send};
use super::setup::Setup;

/// A set of connections that were made together.
pub(super) struct Session {
    pub(super) number: u64,
    pub(super) address: String,
    shared: Vec<MultiplexedConnection>,
    /// A connection for each worker, driven by that worker.
    own: Vec<Option<MultiplexedConnection>>,
    next: AtomicUsize,
    scripts: Loaded,
    subscribed: OnceCell<()>,
}

impl Session {
    /// Makes a session over the shared connections `shared`, to a server that was examined, and adds a
    /// connection for each worker.
    ///
    /// # Errors
    /// [`Failure`] if the scripts cannot be loaded.
    pub(super) async fn over(
        mut shared: Vec<MultiplexedConnection>,
        number: u64,
        address: String,
        setup: &Setup,
        client: &Client,
        config: &AsyncConnectionConfig,
    ) -> Result<Self, Failure> {
        let scripts = Loaded::on(&mut shared[0]).await?;
        let own = worker_connections(setup, client, config).await;
        let (next, subscribed) = (AtomicUsize::new(0), OnceCell::new());
        Ok(Self { number, address, shared, own, next, scripts, subscribed })
    }

    /// Sends one request over the connection that suits it.
    ///
    /// # Errors
    /// [`Failure`], which says what is wrong and whether anything can have been written.
    pub(super) async fn answer(
        &self,
        request: Request<'_>,
        permitted: Permitted,
        acknowledged: Option<Acknowledged>,
    ) -> Result<(Value, u32), Failure> {
        match request {
            Request::Script(call) => {
                self.scripts.run(&mut self.connection(), call, permitted, acknowledged).await
            }
            Request::Command(command) => send(&mut self.connection(), command, acknowledged).await,
            Request::Subscribe(channel) => {
                let mut connection = self.first_connection();
                self.subscribed.get_or_try_init(|| connection.subscribe(channel)).await?;
                Ok((Value::Okay, 0))
            }
        }
    }

    fn connection(&self) -> MultiplexedConnection {
        if let Some(own) = workers::current().checked_sub(1).and_then(|worker| self.own.get(worker)?.as_ref())
        {
            return own.clone();
        }
        let next = self.next.fetch_add(1, Ordering::Relaxed);
        self.shared[next % self.shared.len()].clone()
    }

    /// Returns the first shared connection, over which the server is examined.
    pub(super) fn first_connection(&self) -> MultiplexedConnection {
        self.shared[0].clone()
    }
}

/// Makes a connection for each worker, on that worker, all at once. A worker has none if its attempt
/// fails.
async fn worker_connections(
    setup: &Setup,
    client: &Client,
    config: &AsyncConnectionConfig,
) -> Vec<Option<MultiplexedConnection>> {
    // With `wait_replicas`, no worker has a connection of its own: writes that wait for replicas are
    // spread over all shared connections.
    let workers = setup.terms.workers.handles().iter().filter(|_| setup.settings.wait_replicas == 0);
    let making = workers.map(|worker| {
        let (client, config) = (client.clone(), config.clone());
        worker.spawn(async move { client.get_multiplexed_async_connection_with_config(&config).await })
    });
    let mut own = Vec::new();
    for made in making.collect::<Vec<_>>() {
        own.push(made.await.ok().and_then(Result::ok));
    }
    own
}
