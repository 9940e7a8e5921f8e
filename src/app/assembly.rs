//! The parts of a gateway, connected: the only place that names the concrete upstream client.

use std::sync::Arc;

use tokio::sync::mpsc;
use tower::Layer;
use tracing::warn;

use crate::admin::{self, About, Access, AdminState, Configuration, LastReloads, ReloadRequest};
use crate::buffers::REPLAY_CACHE;
use crate::cli::check;
use crate::cli::serve::Operator;
use crate::clock::Timestamp;
use crate::config::{Capacity, Config, LiveConfig};
use crate::gateway::{Gateway, GatewayLayer, GatewayService, KeptRunner, Upstream, lapsed, new_owner};
use crate::notify::Notifier;
use crate::routes::identity::NamesRefusal;
use crate::routes::{LiveRoutes, RouteTable};
use crate::seal::Sealer;
use crate::server::{ListenerSettings, Tls};
use crate::settle::background::Runner;
use crate::settle::{Keeper, Settler, Witnesses};
use crate::stop::Stop;
use crate::store::{Ledger, Names, Store};
use crate::telemetry::{MeteredStore, Metrics, Traces};
use crate::upstream::Proxy;
use crate::workers::Workers;

use super::certificates::{WatchedFiles, tls, watched_files};
use super::identity::Agreement;
use super::start_deadline::StartDeadline;
use super::start_error::StartError;
use super::{clock, stores};

/// Methods that the answer to `TRACE` names on the public listener: those a client may use on any path.
const PUBLIC_METHODS: &str = "GET, HEAD, POST, PUT, PATCH, DELETE, OPTIONS";
const ADMIN_METHODS: &str = "GET, HEAD, POST, DELETE";

/// The parts of a gateway, except its listeners.
pub(super) struct Assembly {
    pub(super) store: Arc<dyn Store>,
    pub(super) ledger: Ledger,
    pub(super) metrics: Metrics,
    pub(super) gateway: Arc<Gateway>,
    pub(super) service: GatewayService,
    pub(super) admin_router: axum::Router,
    pub(super) stop: Stop,
    /// Settings of the public listener and of the admin listener.
    pub(super) listening: [ListenerSettings; 2],
    pub(super) certificates: Vec<WatchedFiles>,
    /// Worker threads. They are kept to the end of the drain because an execution goes on after the last
    /// connection is closed.
    pub(super) workers: Workers,
    pub(super) agreement: Agreement,
    /// Reason why the gateway must not serve.
    pub(super) refusal: Option<NamesRefusal>,
    /// Upstream clients, and the inner service that they make.
    pub(super) proxy: Proxy,
    pub(super) upstream: Upstream,
    pub(super) routes: LiveRoutes,
    /// Configuration in force, the requests to load it again, and the last reloads.
    pub(super) live: LiveConfig,
    pub(super) reloads: mpsc::Receiver<ReloadRequest>,
    pub(super) last_reloads: LastReloads,
    /// Settler of unknown outcomes, and the runner of kept requests for it.
    pub(super) settler: Settler,
    pub(super) runner: Arc<dyn Runner>,
    /// Notifier of the webhook for unknown outcomes.
    pub(super) notifier: Option<Notifier>,
}

fn proxy(config: &Config) -> Result<Proxy, StartError> {
    let of = |(name, error)| StartError::of(format_args!("upstreams.{name}"), error);
    Proxy::new(&config.upstreams).map_err(of)
}

/// Returns the keeper and the witnesses of all routes. The keeper seals where the configuration has keys.
pub(super) fn evidence(config: &Config, upstream: &Upstream) -> Result<(Keeper, Witnesses), StartError> {
    let keys = config.store.seal.iter().map(|key| (key.id.clone(), key.key));
    let keeper = Keeper::new(Sealer::new(keys).map(Arc::new));
    let witnesses = Witnesses::of_routes(&config.routes, upstream, &keeper)
        .map_err(|(route, why)| StartError::of(format_args!("routes.{route}"), why))?;
    Ok((keeper, witnesses))
}

/// Returns the settler of unknown outcomes.
fn settler(
    config: &Config,
    ledger: &Ledger,
    metrics: &Metrics,
    upstream: &Upstream,
) -> Result<Settler, StartError> {
    let (keeper, witnesses) = evidence(config, upstream)?;
    let settler = Settler::new(ledger.clone(), metrics.clone(), keeper.clone(), new_owner);
    settler.consult(keeper, witnesses);
    Ok(settler)
}

/// Returns the gateway, with its settler and its source of spans.
fn gateway(
    config: &Config,
    routes: &LiveRoutes,
    ledger: &Ledger,
    settler: &Settler,
    metrics: &Metrics,
    stop: &Stop,
) -> Result<Arc<Gateway>, StartError> {
    let traces = Traces::start(config.otel.as_ref(), metrics);
    let traces = traces.map_err(|error| StartError::of("otel", error))?;
    let gateway = Gateway::new(
        &config.server,
        &config.upstreams,
        routes.clone(),
        ledger.clone(),
        metrics.clone(),
        stop.clone(),
        new_owner,
    );
    Ok(Arc::new(gateway.settling(settler.clone()).tracing(traces)))
}

/// Returns the route table of a configuration.
pub(super) fn table(config: &Config) -> Result<RouteTable, StartError> {
    let table = RouteTable::new(&config.routes, config.fallback.clone()).map_err(StartError::from)?;
    Ok(table.answering_lookups(config.lookup.enabled))
}

/// Returns the notifier, where the configuration names a webhook.
fn notifier(config: &Config, ledger: &Ledger, metrics: &Metrics) -> Result<Option<Notifier>, StartError> {
    let notify = config.admin.notify.as_ref();
    let of = |notify| Notifier::new(notify, ledger.clone(), metrics.clone());
    notify.map(of).transpose().map_err(|error| StartError::of("admin.notify", error))
}

/// Returns the ledger over a store. It counts lapsed executions and keeps what it replayed.
fn ledger(
    store: &Arc<dyn Store>,
    config: &Config,
    routes: &LiveRoutes,
    metrics: &Metrics,
    operator: Operator,
) -> Ledger {
    let counted = metrics.clone();
    let ledger = clock::watched(Ledger::new(Arc::clone(store), config.store.timeout), config)
        .keeping_replays(REPLAY_CACHE as u64)
        .pausing_sweeps(routes.shortest_span())
        .reporting_lapses(move |id, record| lapsed(&counted, id, record));
    let Some(moment) = operator.not_before else { return ledger };
    warn!("no operation begins before {moment}; what is stored is answered");
    ledger.not_before(moment)
}

impl Assembly {
    /// Opens the store and connects the parts.
    ///
    /// # Errors
    /// [`StartError`] if a part cannot be made, or if the store does not answer in time.
    pub(super) async fn new(
        config: Config,
        capacity: Capacity,
        operator: Operator,
    ) -> Result<Self, StartError> {
        let (configuration, reloads) = Configuration::new(LiveConfig::new(config));
        let (live, last_reloads) = (configuration.live.clone(), configuration.last.clone());
        let loaded = live.now();
        let config = &loaded.config;
        let workers = Workers::start().map_err(|error| StartError::of("threads", error))?;
        let (metrics, mut deadline) = (Metrics::new(), StartDeadline::of(config.store.start_timeout));
        let routes = LiveRoutes::new(table(config)?);
        let terms = stores::terms(config, workers.clone(), routes.longest_ttl());
        let store = stores::open(config, &terms, &mut deadline).await?;
        let store: Arc<dyn Store> = Arc::new(MeteredStore::new(store, metrics.clone()));
        let ledger = ledger(&store, config, &routes, &metrics, operator);
        let names = Names::of(Arc::clone(&store), config.store.timeout).judged_by(ledger.jumps());
        let (stop, proxy) = (Stop::default(), proxy(config)?);
        let upstream = Upstream::new(proxy.clone());
        let settler = settler(config, &ledger, &metrics, &upstream)?;
        let gateway = gateway(config, &routes, &ledger, &settler, &metrics, &stop)?;
        let agreement = Agreement { names, routes: routes.clone(), gateway: Arc::clone(&gateway) };
        let admin_router = admin::router(AdminState {
            ledger: ledger.clone(),
            settler: settler.clone(),
            metrics: metrics.clone(),
            about: about(&live),
            routes: routes.clone(),
            access: Access::Live(live.clone()),
            configuration: Some(configuration),
            draining: stop.announced(),
            new_owner: Arc::new(new_owner),
        });
        let (listening, certificates) = listening(config, capacity, workers.clone(), &metrics)?;
        clock::compare_at_start(&ledger, operator.accept_clock, &mut deadline).await?;
        // This comes last, so that nothing is noted in the store for a gateway that cannot start.
        let refusal = agreement.compare_at_start(config, &mut deadline).await?;
        Ok(Self {
            notifier: notifier(config, &ledger, &metrics)?,
            store,
            ledger,
            metrics,
            service: GatewayLayer::new(Arc::clone(&gateway)).layer(proxy.clone()),
            runner: Arc::new(KeptRunner::new(Arc::clone(&gateway), upstream.clone())),
            gateway,
            admin_router,
            stop,
            listening,
            certificates,
            workers,
            agreement,
            refusal,
            settler,
            proxy,
            upstream,
            routes,
            reloads,
            last_reloads,
            live: live.clone(),
        })
    }
}

/// Returns the facts about this gateway for its operators.
fn about(live: &LiveConfig) -> About {
    let store = live.now().config.store.settings.description().into();
    let live = live.clone();
    About {
        started_at: Timestamp::of_the_wall(),
        store,
        configuration: Arc::new(move || check::report(&live.now().config)),
    }
}

/// Returns the settings of both listeners, and the files of their certificates.
fn listening(
    config: &Config,
    capacity: Capacity,
    workers: Workers,
    metrics: &Metrics,
) -> Result<([ListenerSettings; 2], Vec<WatchedFiles>), StartError> {
    let (server, admin) = (&config.server, &config.admin);
    let public_tls = tls("server", server.tls.as_ref(), server.http2)?;
    let admin_tls = tls("admin", admin.tls.as_ref(), false)?;
    let all = [("server.tls", public_tls.clone()), ("admin.tls", admin_tls.clone())].into_iter();
    let watched = |(section, tls)| Some(watched_files(section, tls?, |tls: &Arc<Tls>| tls.files()));
    let certificates = all.filter_map(watched).collect();
    let public = ListenerSettings {
        max_connections: server.max_connections,
        max_waiting: capacity.waiting,
        header_read_timeout: server.header_read_timeout,
        keep_alive_timeout: server.keep_alive_timeout,
        write_timeout: server.body_read_timeout,
        http2: server.http2,
        tls: public_tls,
        workers,
        methods: PUBLIC_METHODS,
        problem_docs: server.problem_docs.as_deref().map(Arc::from),
        metrics: metrics.clone(),
    };
    let admin = ListenerSettings {
        max_connections: capacity.admin,
        http2: false,
        tls: admin_tls,
        workers: Workers::default(),
        methods: ADMIN_METHODS,
        problem_docs: None,
        ..public.clone()
    };
    Ok(([public, admin], certificates))
}
