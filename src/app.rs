//! The assembly: the only place that names the concrete stores and the concrete upstream client.

use std::fmt;
use std::future::Future;
use std::io;
use std::net::SocketAddr;
use std::path::Path;
use std::pin::pin;
use std::process::ExitCode;
use std::sync::Arc;
use std::time::Duration;

use rustix::fs::Mode;
use rustix::process::umask;
use tokio::net::{TcpListener, TcpSocket};
use tokio::select;
use tokio::time::{sleep, timeout};
use tower::Layer;
use tracing::{error, info, warn};

use crate::admin::{self, Access, AdminState};
use crate::cli::check::{self, CheckArgs};
use crate::cli::output::{self, Output, printed};
use crate::cli::serve::Operator;
use crate::cli::{Cli, Command, demo, records, schema};
use crate::config::{self, Config, Environment, REPLAY_CACHE, Room};
use crate::descriptors;
use crate::gateway::{Gateway, GatewayLayer, GatewayService, lapsed, new_owner, sweep, tell_stops};
use crate::routes::RouteTable;
use crate::routes::identity::Refusal;
use crate::server::{self, ListenerSettings};
use crate::stop::Stop;
use crate::store::{Ledger, Names, Store};
use crate::telemetry::log::{self, LastLines, say};
use crate::telemetry::{MeteredStore, Metrics};
use crate::upstream::Proxy;
use crate::workers::Workers;

use self::certificates::{Watched, tls, watch, watched};
use self::patience::Patience;
use self::signals::{Signals, hang_ups};

mod announce;
mod certificates;
mod clock;
mod connect;
mod identity;
mod patience;
mod signals;
mod stores;

/// Length of the system's queue of connections that are not yet accepted. The usual length is 128. A client
/// that finds the queue full tries again after a second, so a hostile client could keep a short queue full.
const BACKLOG: u32 = 1024;
/// Methods that the answer to `TRACE` names on the public listener: those a client may use on any path.
const PUBLIC_METHODS: &str = "GET, HEAD, POST, PUT, PATCH, DELETE, OPTIONS";
const ADMIN_METHODS: &str = "GET, HEAD, POST, DELETE";
/// Time that executions have, once cut off, to record that their outcome is unknown and to tell their
/// clients.
const LAST_WRITES: Duration = Duration::from_secs(3);

/// Runs one command line to its exit code.
#[must_use]
pub fn run(cli: Cli) -> ExitCode {
    let environment: Environment = std::env::vars_os().collect();
    match cli.command {
        Command::Demo(args) => blocking(demo::run(args)),
        Command::Serve(args) => match args.load(&environment) {
            Ok(config) => {
                keep_files_private();
                served(start(config, args.operator()))
            }
            Err(errors) => {
                say(&errors.to_string());
                ExitCode::from(2)
            }
        },
        Command::Check(args) => checked(&args, &environment),
        Command::Schema => printed(output::print(format_args!("{}", schema::text()))),
        Command::Records(args) => blocking(records::run(*args)),
    }
}

/// The statements that make the tables of the store that a file names; of a usual Postgres without a file.
fn tables(file: Option<&Path>, environment: &Environment) -> Result<String, String> {
    match file {
        Some(file) => check::tables(file, environment),
        #[cfg(feature = "postgres")]
        None => Ok(crate::store::postgres::print_schema("oncegate")),
        #[cfg(not(feature = "postgres"))]
        None => Err("this build has no Postgres store; build with --features postgres".into()),
    }
}

fn checked(args: &CheckArgs, environment: &Environment) -> ExitCode {
    let CheckArgs { config, print_schema, short, connect } = args;
    match config {
        Some(config) if !print_schema => {
            let checked = check::run(config, environment, *short, &mut Output::new(), &mut io::stderr());
            match checked {
                Ok(Some(config)) if *connect => blocking(connect::connect(config, *short)),
                Ok(Some(_)) => ExitCode::from(check::FINE),
                Ok(None) => ExitCode::from(check::BAD_CONFIGURATION),
                Err(error) => printed(Err(error)),
            }
        }
        config => match tables(config.as_deref(), environment) {
            Ok(statements) => printed(output::print(format_args!("{statements}"))),
            Err(why) => {
                say(&why);
                ExitCode::from(check::BAD_CONFIGURATION)
            }
        },
    }
}

/// Makes every file that the process creates from now on readable by its own user only.
fn keep_files_private() {
    let others = Mode::RWXG | Mode::RWXO;
    let before = umask(others);
    umask(before | others);
}

/// Runs a gateway on one thread. One thread is enough for the state that the workers share: each step on that
/// state is short.
fn served(work: impl Future<Output = ExitCode>) -> ExitCode {
    let _last_lines = LastLines;
    on(tokio::runtime::Builder::new_current_thread(), work)
}

/// Runs a command that has concurrent tasks.
fn blocking(work: impl Future<Output = ExitCode>) -> ExitCode {
    on(tokio::runtime::Builder::new_multi_thread(), work)
}

/// Runs `work` on a runtime of its own.
fn on(mut runtime: tokio::runtime::Builder, work: impl Future<Output = ExitCode>) -> ExitCode {
    // Install the only provider of cryptography before any code can ask for another.
    if rustls::crypto::aws_lc_rs::default_provider().install_default().is_err() {
        say("oncegate: a TLS provider was installed before");
        return ExitCode::FAILURE;
    }
    match runtime.enable_all().build() {
        Ok(runtime) => runtime.block_on(work),
        Err(error) => {
            say(&format!("oncegate: no runtime: {error}"));
            ExitCode::FAILURE
        }
    }
}

async fn start(config: Config, operator: Operator) -> ExitCode {
    let served = match log::init(&config.log) {
        Ok(()) => serve(config, operator).await,
        Err(error) => Err(StartError(format!("log: {error}"))),
    };
    served.unwrap_or_else(|error| {
        say(&format!("oncegate: cannot start: {error}"));
        ExitCode::FAILURE
    })
}

/// The reason why the gateway could not start.
#[derive(Debug)]
pub struct StartError(String);

impl fmt::Display for StartError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl std::error::Error for StartError {}

/// Runs a gateway until a signal or a broken store ends it.
///
/// The exit code is 0 after a requested drain, 2 if the configuration names operations differently from the
/// store, and 1 in any other case.
///
/// # Errors
/// [`StartError`] if something keeps the gateway from starting: an address in use, a data directory in use,
/// missing root certificates.
pub async fn serve(config: Config, operator: Operator) -> Result<ExitCode, StartError> {
    descriptors::raise();
    let warnings = config.warnings();
    let room = config.room(descriptors::most());
    let config = config.within(room);
    let found = config.store.settings.exists();
    let (mut signals, hang_ups) = (Signals::new()?, hang_ups()?);
    let assembly = select! {
        assembly = Assembly::new(&config, room, operator) => assembly?,
        name = signals.next() => {
            info!("{name}: ended before anything was served");
            return Ok(ExitCode::SUCCESS);
        }
    };
    if let Some(refusal) = &assembly.refusal {
        say(&format!("oncegate: does not start: {refusal}"));
        return Ok(ExitCode::from(2));
    }
    let public = bind("server.listen", config.server.listen)?;
    let admin = bind("admin.listen", config.admin.listen)?;
    for warning in warnings {
        warn!("{warning}");
    }
    announce::told(&config, &assembly.ledger, found).await;
    say_ready(&public, &admin)?;

    let Assembly {
        store,
        gateway,
        service,
        admin_router,
        stop,
        ledger,
        metrics,
        listening,
        certificates,
        workers: _workers,
        names,
        refusal: _,
    } = assembly;
    let admin_stop = Stop::default();
    tokio::spawn(clock::keep(ledger.clone(), config.clone(), stop.clone()));
    tokio::spawn(tell_stops(ledger.clone(), metrics.clone(), stop.clone()));
    let sweeping = tokio::spawn(sweep(ledger, metrics, stop.clone()));
    tokio::spawn(identity::keep(names, config.clone(), stop.clone()));
    let [public_listening, admin_listening] = listening;
    let serving = tokio::spawn(server::serve(public, service, public_listening, stop.clone()));
    tokio::spawn(server::serve(admin, admin_router, admin_listening, admin_stop.clone()));
    tokio::spawn(watch(certificates, hang_ups));

    let Some(code) = until_drain(&config.server, &*store, &stop, &mut signals).await else {
        return Ok(ExitCode::FAILURE);
    };
    let drained = async {
        let executions = gateway.executions();
        executions.close();
        let mut all_done = pin!(async {
            executions.wait().await;
            serving.await
        });
        if timeout(config.server.drain_timeout, &mut all_done).await.is_err() {
            warn!("the drain timeout is over: what still runs is recorded as unknown");
            stop.cut_off();
            // The clients of these executions are told so. That takes until their connections are closed.
            if timeout(LAST_WRITES, &mut all_done).await.is_err() && !executions.is_empty() {
                warn!("some outcomes could not be recorded; they will be unknown once their leases are over");
            }
        }
        stop.cut_off();
        admin_stop.begin_drain();
        admin_stop.cut_off();
        drop(sweeping.await);
    };
    select! {
        () = drained => Ok(code),
        name = signals.next() => Ok(ended_at_once(name)),
    }
}

/// Waits until something ends the gateway, and begins its drain. Returns the exit code to use after the
/// drain, or `None` if the gateway has to end at once.
async fn until_drain(
    server: &config::Server,
    store: &dyn Store,
    stop: &Stop,
    signals: &mut Signals,
) -> Option<ExitCode> {
    let broken = |cause: String| {
        stop.begin_drain();
        error!("the store can no longer write, the gateway has to end: {cause}");
        Some(ExitCode::FAILURE)
    };
    let name = select! {
        name = signals.next() => name,
        cause = store.broken() => return broken(cause),
    };
    let delay = server.shutdown_delay;
    if !delay.is_zero() {
        stop.announce();
        info!("{name}: new requests are taken for another {delay:?}; a second signal ends at once");
        select! {
            () = sleep(delay) => {}
            cause = store.broken() => return broken(cause),
            name = signals.next() => {
                ended_at_once(name);
                return None;
            }
        }
    }
    stop.begin_drain();
    info!("{name}: draining for up to {:?}; a second signal ends at once", server.drain_timeout);
    Some(ExitCode::SUCCESS)
}

fn ended_at_once(name: &str) -> ExitCode {
    warn!("{name} again: ending at once");
    ExitCode::FAILURE
}

/// The parts of a gateway, except its listeners.
struct Assembly {
    store: Arc<dyn Store>,
    ledger: Ledger,
    metrics: Metrics,
    gateway: Arc<Gateway>,
    service: GatewayService,
    admin_router: axum::Router,
    stop: Stop,
    /// Settings of the public listener and of the admin listener.
    listening: [ListenerSettings; 2],
    certificates: Vec<Watched>,
    /// Worker threads. They are kept to the end of the drain because an execution goes on after the last
    /// connection is closed.
    workers: Workers,
    names: Names,
    /// Reason why the gateway must not serve.
    refusal: Option<Refusal>,
}

/// Returns the ledger over a store. It counts lapsed executions and keeps what it replayed.
fn ledger(store: &Arc<dyn Store>, config: &Config, metrics: &Metrics, operator: Operator) -> Ledger {
    let counted = metrics.clone();
    let ledger = clock::watched(Ledger::new(Arc::clone(store), config.store.timeout), config)
        .keeping_replays(REPLAY_CACHE as u64)
        .telling_lapses(move |id, record| lapsed(&counted, id, record));
    let Some(moment) = operator.not_before else { return ledger };
    warn!("no operation begins before {moment}; what is stored is answered");
    ledger.not_before(moment)
}

impl Assembly {
    async fn new(config: &Config, room: Room, operator: Operator) -> Result<Self, StartError> {
        let workers = Workers::start().map_err(|error| StartError(format!("threads: {error}")))?;
        let metrics = Metrics::new();
        let mut patience = Patience::of(config.store.start_timeout);
        let longest = config.longest_ttl();
        let terms = stores::terms(config, workers.clone(), Arc::new(move || longest));
        let store = stores::open(config, &terms, &mut patience).await?;
        let store: Arc<dyn Store> = Arc::new(MeteredStore::new(store, metrics.clone()));
        let ledger = ledger(&store, config, &metrics, operator);
        let names = Names::of(Arc::clone(&store), config.store.timeout).judged_by(ledger.jumps());
        let stop = Stop::default();
        let routes = RouteTable::new(&config.routes, config.fallback.clone()).map_err(StartError)?;
        let proxy = Proxy::new(&config.upstreams)
            .map_err(|(name, error)| StartError(format!("upstreams.{name}: {error}")))?;
        let gateway = Gateway::new(
            &config.server,
            &config.upstreams,
            routes,
            ledger.clone(),
            metrics.clone(),
            stop.clone(),
            new_owner,
        );
        let gateway = Arc::new(gateway);
        let admin_router = admin::router(AdminState {
            ledger: ledger.clone(),
            metrics: metrics.clone(),
            routes: config.routes.clone(),
            access: Access::of(&config.admin),
            draining: stop.announced(),
            new_owner: Arc::new(new_owner),
        });
        let mut certificates = certificates_of(&proxy);
        let listening = listening(config, room, workers.clone(), &metrics, &mut certificates)?;
        let service = GatewayLayer::new(Arc::clone(&gateway)).layer(proxy);
        clock::settle(&ledger, operator.accept_clock, &mut patience).await?;
        // This comes last, so that nothing is noted in the store for a gateway that cannot start.
        let refusal = identity::settle(&names, config, &mut patience).await?;
        Ok(Self {
            store,
            ledger,
            metrics,
            gateway,
            service,
            admin_router,
            stop,
            listening,
            certificates,
            workers,
            names,
            refusal,
        })
    }
}

/// Returns the settings of both listeners, and adds the files of their certificates to `certificates`.
fn listening(
    config: &Config,
    room: Room,
    workers: Workers,
    metrics: &Metrics,
    certificates: &mut Vec<Watched>,
) -> Result<[ListenerSettings; 2], StartError> {
    let (server, admin) = (&config.server, &config.admin);
    let public_tls = tls("server", server.tls.as_ref(), server.http2)?;
    let admin_tls = tls("admin", admin.tls.as_ref(), false)?;
    for (section, tls) in [("server.tls", &public_tls), ("admin.tls", &admin_tls)] {
        certificates.extend(tls.clone().map(|tls| watched(section, tls, |tls| tls.files())));
    }
    let public = ListenerSettings {
        max_connections: server.max_connections,
        max_waiting: room.waiting,
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
        max_connections: room.admin,
        http2: false,
        tls: admin_tls,
        workers: Workers::default(),
        methods: ADMIN_METHODS,
        problem_docs: None,
        ..public.clone()
    };
    Ok([public, admin])
}

/// Returns the certificates of the upstreams, for the watcher.
fn certificates_of(proxy: &Proxy) -> Vec<Watched> {
    let upstream = |(name, connector)| {
        watched(format!("upstreams.{name}"), connector, |connector: &Arc<_>| &**connector)
    };
    proxy.connectors().map(upstream).collect()
}

fn bind(key: &str, address: SocketAddr) -> Result<TcpListener, StartError> {
    let listen = || {
        let socket = if address.is_ipv4() { TcpSocket::new_v4() } else { TcpSocket::new_v6() }?;
        // With this option, a restart need not wait until the system has forgotten earlier connections.
        socket.set_reuseaddr(true)?;
        socket.bind(address)?;
        socket.listen(BACKLOG)
    };
    listen().map_err(|error: io::Error| StartError(format!("{key} = {address}: {error}")))
}

/// Logs where the gateway listens. With port 0 this is the only place where the real port is shown.
fn say_ready(public: &TcpListener, admin: &TcpListener) -> Result<(), StartError> {
    let local = |listener: &TcpListener| listener.local_addr().map_err(|error| StartError(error.to_string()));
    info!(listen = %local(public)?, admin = %local(admin)?, "ready");
    Ok(())
}
