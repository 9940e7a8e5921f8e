//! A gateway from its start to its end.

use std::io;
use std::net::SocketAddr;
use std::process::ExitCode;

use tokio::net::{TcpListener, TcpSocket};
use tokio::select;
use tokio::signal::unix::Signal;
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
use super::certificates::watch;
use super::drain::{Running, ended_at_once, until_drain};
use super::signals::{Signals, hang_ups};
use super::start_error::StartError;
use super::{announce, clock, identity};

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
pub(super) async fn serve(config: Config, operator: Operator) -> Result<ExitCode, StartError> {
    descriptors::raise();
    let warnings = config.warnings();
    let capacity = config.capacity(descriptors::most());
    let config = config.within(capacity);
    let found = config.store.settings.exists();
    let (mut signals, hang_ups) = (Signals::new()?, hang_ups()?);
    let assembly = select! {
        assembly = Assembly::new(&config, capacity, operator) => assembly?,
        name = signals.next() => {
            info!("{name}: ended before anything was served");
            return Ok(ExitCode::SUCCESS);
        }
    };
    if let Some(refusal) = &assembly.refusal {
        say(&format!("oncegate: does not start: {refusal}"));
        return Ok(ExitCode::from(2));
    }
    let listeners = Listeners::bind(&config)?;
    for warning in warnings {
        warn!("{warning}");
    }
    announce::log_settings(&config, &assembly.ledger, found).await;
    listeners.say_ready()?;
    Ok(assembly.run(&config, listeners, signals, hang_ups).await)
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
        config: &Config,
        listeners: Listeners,
        mut signals: Signals,
        hang_ups: Signal,
    ) -> ExitCode {
        let (store, stop) = (self.store.clone(), self.stop.clone());
        // The worker threads stay to the end of the drain, because an execution goes on after the last
        // connection is closed.
        let _workers = self.workers.clone();
        let running = self.start(config, listeners, hang_ups);
        let Some(code) = until_drain(&config.server, &*store, &stop, &mut signals).await else {
            return ExitCode::FAILURE;
        };
        select! {
            () = running.drain(config.server.drain_timeout) => code,
            name = signals.next() => ended_at_once(name),
        }
    }

    /// Starts the tasks of the gateway. Returns those that a drain waits for.
    fn start(self, config: &Config, listeners: Listeners, hang_ups: Signal) -> Running {
        tokio::spawn(keep_traffic(self.metrics.clone(), self.stop.clone()));
        let Self { gateway, ledger, metrics, stop, names, service, admin_router, certificates, .. } = self;
        let ([public, admin], admin_stop) = (self.listening, Stop::default());
        let settling = settle_in_background(self.settler, config.routes.clone(), self.runner, stop.clone());
        tokio::spawn(settling);
        tokio::spawn(clock::maintain(ledger.clone(), config.clone(), stop.clone()));
        tokio::spawn(report_stopped_claims(ledger.clone(), metrics.clone(), stop.clone()));
        tokio::spawn(identity::maintain(names, config.clone(), stop.clone()));
        tokio::spawn(watch(certificates, hang_ups));
        let notifying = self.notifier.map(|notifier| tokio::spawn(notify_unknown(notifier, stop.clone())));
        let sweeping = tokio::spawn(sweep(ledger, metrics, stop.clone()));
        let serving = tokio::spawn(server::serve(listeners.public, service, public, stop.clone()));
        tokio::spawn(server::serve(listeners.admin, admin_router, admin, admin_stop.clone()));
        Running { gateway, serving, sweeping, notifying, stop, admin_stop }
    }
}
