//! A gateway for a service in the same process: the layer, made of a store and the paths to protect.

use std::sync::Arc;

use crate::config::{Config, ConfigErrors, Environment, Route, Settling};
use crate::routes::{LiveRoutes, RouteTable};
use crate::stop::Stop;
use crate::store::{Ledger, Store};
use crate::telemetry::Metrics;

use super::layer::Tasks;
use super::{Gateway, GatewayLayer, lapsed, new_owner, report_stopped_claims, sweep};

/// A builder of a [`GatewayLayer`] over a store. Requests that the layer does not protect pass through.
///
/// The program that contains the layer is responsible for two conditions of the promise, which `oncegate
/// serve` checks by itself: the store's clock makes no jump, and all that use the store name operations
/// alike.
///
/// ```
/// # use oncegate::{gateway::GatewayBuilder, store::memory::MemoryStore};
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> Result<(), oncegate::config::ConfigErrors> {
/// let layer = GatewayBuilder::new(MemoryStore::default())
///     .config("server.max_in_flight = 100")
///     .protect("charges", "/v1/charges")
///     .build()?;
/// # Ok(()) }
/// ```
pub struct GatewayBuilder {
    store: Arc<dyn Store>,
    /// Parts of a configuration file.
    text: String,
    /// The routes of [`GatewayBuilder::protect`], as in a file. They come last, because keys after a table
    /// would be keys of that table.
    routes: String,
    metrics: Metrics,
    stop: Stop,
}

/// The tables that a configuration needs and that mean nothing here: the store is given, and the only
/// upstream is the inner service.
const INNER: &str = "
[store]
url = 'memory:'
[upstreams.inner]
url = 'http://inner.invalid'
[fallback]
upstream = 'inner'
";

impl GatewayBuilder {
    /// Returns a builder without routes, with the defaults of a configuration file.
    #[must_use]
    pub fn new(store: impl Store) -> Self {
        Self {
            store: Arc::new(store),
            text: String::new(),
            routes: String::new(),
            metrics: Metrics::new(),
            stop: Stop::default(),
        }
    }

    /// Adds a part of a configuration file: keys of `[server]` and `[lookup]`, and `[[routes]]` with the
    /// `upstream` `"inner"`. `[store]`, `[upstreams]` and `[fallback]` are taken.
    #[must_use]
    pub fn config(mut self, toml: &str) -> Self {
        self.text.push_str(toml);
        self.text.push('\n');
        self
    }

    /// Protects `POST` and `PATCH` on the paths that fit `template`, such as `/v1/charges` or
    /// `/v1/{resource}`, with the defaults of a route. `name` is the route's name in records, logs and
    /// metrics.
    #[must_use]
    pub fn protect(mut self, name: &str, template: &str) -> Self {
        let (name, template) = (quoted(name), quoted(template));
        self.routes += &format!("[[routes]]\nname = {name}\npath = {template}\nupstream = 'inner'\n");
        self
    }

    /// Counts in `metrics`, which can be shown.
    #[must_use]
    pub fn metrics(mut self, metrics: Metrics) -> Self {
        self.metrics = metrics;
        self
    }

    /// Stops with `stop`: no execution begins after [`Stop::begin_drain`].
    #[must_use]
    pub fn stop(mut self, stop: Stop) -> Self {
        self.stop = stop;
        self
    }

    /// Builds the layer, and starts the tasks that keep the store clean while the layer or a service of it is
    /// there.
    ///
    /// # Errors
    /// [`ConfigErrors`] with every mistake in a route or in [`GatewayBuilder::config`].
    ///
    /// # Panics
    /// Panics outside of a Tokio runtime.
    pub fn build(self) -> Result<GatewayLayer, ConfigErrors> {
        let Self { store, text, routes, metrics, stop } = self;
        let config = Config::parse(&format!("{text}{INNER}{routes}"), "the layer", &Environment::default())?;
        without_client(&config.routes)?;
        let table = RouteTable::new(&config.routes, config.fallback)
            .map_err(|why| ConfigErrors::of("routes", why.to_string()))?;
        let routes = LiveRoutes::new(table.answering_lookups(config.lookup.enabled));
        let counted = metrics.clone();
        let ledger = Ledger::new(store, config.store.timeout)
            .pausing_sweeps(routes.shortest_span())
            .reporting_lapses(move |id, record| lapsed(&counted, id, record));
        let tasks = [
            tokio::spawn(sweep(ledger.clone(), metrics.clone(), stop.clone())).abort_handle(),
            tokio::spawn(report_stopped_claims(ledger.clone(), metrics.clone(), stop.clone())).abort_handle(),
        ];
        let gateway =
            Gateway::new(&config.server, &config.upstreams, routes, ledger, metrics, stop, new_owner);
        Ok(GatewayLayer::with_tasks(Arc::new(gateway), Tasks(tasks.into())))
    }
}

/// Refuses settings that need the gateway's own client of the upstream or of a marker table: the layer has
/// only its inner service.
fn without_client(routes: &[Arc<Route>]) -> Result<(), ConfigErrors> {
    let needs_client = |route: &&Arc<Route>| {
        route.keep_request || matches!(route.settling, Settling::Probe(_) | Settling::Marker(_))
    };
    match routes.iter().find(needs_client) {
        None => Ok(()),
        Some(route) => Err(ConfigErrors::of(
            &format!("routes {:?}", &*route.name),
            "on_unknown is \"hold\" or \"retry\" in the layer, without keep_request: only the gateway itself asks an \
             upstream or a marker table"
                .into(),
        )),
    }
}

/// Quotes a text for TOML. The basic strings of TOML have the escapes of JSON.
fn quoted(text: &str) -> String {
    serde_json::Value::from(text).to_string()
}
