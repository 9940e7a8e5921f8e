//! A gateway from its start to its end.

use std::collections::BTreeMap;
use std::io;
use std::net::SocketAddr;
use std::process::ExitCode;
use std::sync::Arc;

use tokio::net::{TcpListener, TcpSocket};
use tokio::select;
use tokio::signal::unix::Signal;
use tokio::sync::watch;
use tracing::{info, warn};

use crate::cli::serve::Operator;
use crate::config::Config;
use crate::descriptors;
use crate::gateway::{report_stopped_claims, sweep};
use crate::notify::notify_unknown;
use crate::server;
use crate::settle::background::settle_in_background;
use crate::stop::Stop;
use crate::telemetry::keep_traffic;
use crate::telemetry::log::say;

use super::assembly::Assembly;
use super::drain::{Running, ended_at_once, until_drain};
use super::reloading::{ConfigSource, Reloader};
use super::signals::{Signals, hang_ups};
use super::start_error::StartError;
use super::{announce, certificates, clock};

/// Length of the system's queue of connections that are not yet accepted. The usual length is 128. A client
/// that finds the queue full tries again after a second, so a hostile client could keep a short queue full.
const BACKLOG: u32 = 1024;

/// Runs a gateway until a signal or a broken store ends it.
///
/// The exit code is 0 after a requested drain, 2 if the configuration names operations differently from the
/// store, and 1 in any other case.
///
/// # Errors
/// [`StartError`] if something keeps the gateway from starting: an address in use, a data directory in use,
/// missing root certificates.
pub(super) async fn serve(
    config: Config,
    source: ConfigSource,
    operator: Operator,
) -> Result<ExitCode, StartError> {
    descriptors::raise();
    let warnings = config.warnings();
    let capacity = config.capacity(descriptors::most());
    // All parts share the names of the upstreams, by which it shows when one is no longer used.
    let config = config.within(capacity).continuing(&BTreeMap::new(), 0);
    let found = config.store.settings.exists();
    let (mut signals, hang_ups) = (Signals::new()?, [hang_ups()?, hang_ups()?]);
    let assembly = select! {
        assembly = Assembly::new(config, capacity, operator) => assembly?,
        name = signals.next() => {
            info!("{name}: ended before anything was served");
            return Ok(ExitCode::SUCCESS);
        }
    };
    if let Some(refusal) = &assembly.refusal {
        say(&format!("oncegate: does not start: {refusal}"));
        return Ok(ExitCode::from(2));
    }
    let listeners = Listeners::bind(&assembly.live.now().config)?;
    for warning in warnings {
        warn!("{warning}");
    }
    announce::log_settings(&assembly.live.now().config, &assembly.ledger, found).await;
    listeners.say_ready()?;
    Ok(assembly.run(source, listeners, signals, hang_ups).await)
}

/// The sockets of both listeners.
struct Listeners {
    public: TcpListener,
    admin: TcpListener,
}

impl Listeners {
    fn bind(config: &Config) -> Result<Self, StartError> {
        Ok(Self {
            public: bind("server.listen", config.server.listen)?,
            admin: bind("admin.listen", config.admin.listen)?,
        })
    }

    /// Logs where the gateway listens. With port 0 this is the only place where the real port is shown.
    fn say_ready(&self) -> Result<(), StartError> {
        let local = |listener: &TcpListener| {
            listener.local_addr().map_err(|error| StartError::new(error.to_string()))
        };
        info!(listen = %local(&self.public)?, admin = %local(&self.admin)?, "ready");
        Ok(())
    }
}

fn bind(key: &str, address: SocketAddr) -> Result<TcpListener, StartError> {
    let listen = || {
        let socket = if address.is_ipv4() { TcpSocket::new_v4() } else { TcpSocket::new_v6() }?;
        // With this option, a restart need not wait until the system has forgotten earlier connections.
        socket.set_reuseaddr(true)?;
        socket.bind(address)?;
        socket.listen(BACKLOG)
    };
    listen().map_err(|error: io::Error| StartError::of(format_args!("{key} = {address}"), error))
}

impl Assembly {
    /// Serves until the gateway ends. Returns its exit code.
    async fn run(
        self,
        source: ConfigSource,
        listeners: Listeners,
        mut signals: Signals,
        hang_ups: [Signal; 2],
    ) -> ExitCode {
        let (store, stop, live) = (self.store.clone(), self.stop.clone(), self.live.clone());
        // The worker threads stay to the end of the drain, because an execution goes on after the last
        // connection is closed.
        let _workers = self.workers.clone();
        let running = self.start(source, listeners, hang_ups);
        let Some(code) = until_drain(&live, &*store, &stop, &mut signals).await else {
            return ExitCode::FAILURE;
        };
        select! {
            () = running.drain(live.now().config.server.drain_timeout) => code,
            name = signals.next() => ended_at_once(name),
        }
    }

    /// Starts the tasks of the gateway. Returns those that a drain waits for.
    fn start(self, source: ConfigSource, listeners: Listeners, hang_ups: [Signal; 2]) -> Running {
        tokio::spawn(keep_traffic(self.metrics.clone(), self.stop.clone()));
        let (settled_routes, settled) = watch::channel(self.live.now().config.routes.clone());
        let reloader = Reloader {
            source,
            live: self.live.clone(),
            proxy: self.proxy.clone(),
            upstream: self.upstream,
            routes: self.routes,
            gateway: Arc::clone(&self.gateway),
            settler: self.settler.clone(),
            settled_routes,
            store: self.store,
            ledger: self.ledger.clone(),
            agreement: self.agreement.clone(),
            metrics: self.metrics.clone(),
            last: self.last_reloads,
        };
        let Self { gateway, ledger, metrics, stop, service, admin_router, certificates, live, .. } = self;
        let ([public, admin], admin_stop) = (self.listening, Stop::default());
        let [certificates_hang_ups, hang_ups] = hang_ups;
        tokio::spawn(settle_in_background(self.settler, settled, self.runner, stop.clone()));
        tokio::spawn(clock::maintain(ledger.clone(), live.clone(), stop.clone()));
        tokio::spawn(report_stopped_claims(ledger.clone(), metrics.clone(), stop.clone()));
        tokio::spawn(self.agreement.maintain(live, stop.clone()));
        tokio::spawn(certificates::watch(certificates, self.proxy, certificates_hang_ups));
        tokio::spawn(reloader.run(self.reloads, hang_ups, stop.clone()));
        let notifying = self.notifier.map(|notifier| tokio::spawn(notify_unknown(notifier, stop.clone())));
        let sweeping = tokio::spawn(sweep(ledger, metrics, stop.clone()));
        let serving = tokio::spawn(server::serve(listeners.public, service, public, stop.clone()));
        tokio::spawn(server::serve(listeners.admin, admin_router, admin, admin_stop.clone()));
        Running { gateway, serving, sweeping, notifying, stop, admin_stop }
    }
}
