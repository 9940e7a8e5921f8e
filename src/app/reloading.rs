//! Reloads of the configuration while the gateway serves: at SIGHUP, when the file changes, and when an
//! operator asks.
//!
//! A configuration is taken as a whole or not at all. Everything that can fail is made first: the checked
//! configuration, the clients of new upstreams, the route table, the witnesses. Then the names of operations
//! are compared with the store, and its own entries written, as at a start. Only after that the parts are put
//! into use, without a step that can fail or wait. The route table comes last: a request that finds a route
//! of the new table finds its upstream and its limits, too.
//!
//! A request keeps the route that it found. The upstreams of an earlier configuration stay until no request
//! leads to them.

use std::fs;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::{Duration, UNIX_EPOCH};

use tokio::select;
use tokio::signal::unix::Signal;
use tokio::sync::{mpsc, watch};
use tokio::task::spawn_blocking;
use tokio::time::{MissedTickBehavior, interval};
use tracing::{error, info, warn};

use crate::admin::{LastReloads, ReloadRefusal, ReloadRequest, Reloaded};
use crate::cli::serve::ServeArgs;
use crate::config::{Beside, Config, ConfigErrors, Environment, LiveConfig, Route, digest_of};
use crate::descriptors;
use crate::gateway::{Gateway, Upstream};
use crate::routes::LiveRoutes;
use crate::settle::Settler;
use crate::stop::Stop;
use crate::store::{ClockSource, Ledger, Store, StoreError};
use crate::telemetry::Metrics;
use crate::upstream::Proxy;

use super::assembly::{evidence, table};
use super::identity::Agreement;
use super::{clock, stores};

/// Time between two looks at the configuration file. A change is taken once two looks in a row have found the
/// same text, so that a file that is still being written is not taken.
const LOOK_INTERVAL: Duration = Duration::from_secs(2);
/// The cause of a reload that no operator and no signal asked for.
const FILE_CHANGED: &str = "the file changed";

/// The source of the configuration: the arguments and the environment of the process.
#[derive(Clone)]
pub(super) struct ConfigSource(Arc<(ServeArgs, Environment)>);

/// The parts of a gateway that follow its configuration.
pub(super) struct Reloader {
    pub(super) source: ConfigSource,
    pub(super) live: LiveConfig,
    pub(super) proxy: Proxy,
    pub(super) upstream: Upstream,
    pub(super) routes: LiveRoutes,
    pub(super) gateway: Arc<Gateway>,
    pub(super) settler: Settler,
    /// Routes of the background settler.
    pub(super) settled_routes: watch::Sender<Vec<Arc<Route>>>,
    pub(super) store: Arc<dyn Store>,
    pub(super) ledger: Ledger,
    pub(super) agreement: Agreement,
    pub(super) metrics: Metrics,
    /// Last reloads, for operators.
    pub(super) last: LastReloads,
}

impl ConfigSource {
    pub(super) fn new(arguments: ServeArgs, environment: Environment) -> Self {
        Self(Arc::new((arguments, environment)))
    }

    fn load(&self) -> Result<Config, ConfigErrors> {
        let (arguments, environment) = &*self.0;
        arguments.load(environment)
    }

    fn file(&self) -> Option<PathBuf> {
        self.0.0.file().map(PathBuf::from)
    }
}

/// The configuration file as it was found by the last looks.
#[derive(Default)]
struct Watched {
    /// Text that was refused last.
    refused: Option<Vec<u8>>,
    /// Text of the last look, if it is to be judged.
    seen: Option<Vec<u8>>,
    /// True if the last look could not read the file.
    is_missing: bool,
}

impl Watched {
    /// Returns true if a look finds a text that the last look found too, and that is neither in force nor
    /// refused already.
    fn is_due(&mut self, found: Option<Vec<u8>>, digest_in_force: &str) -> bool {
        let in_force = |text: &Vec<u8>| digest_of(text) == digest_in_force;
        if found.as_ref().is_none_or(in_force) || found == self.refused {
            self.seen = None;
            return false;
        }
        let is_stable = self.seen == found;
        self.seen = found;
        is_stable
    }
}

impl Reloader {
    /// Reloads until the drain begins.
    pub(super) async fn run(self, requests: mpsc::Receiver<ReloadRequest>, hang_ups: Signal, stop: Stop) {
        self.note_loaded();
        stop.draining().run_until_cancelled(self.reload_forever(requests, hang_ups)).await;
    }

    async fn reload_forever(&self, mut requests: mpsc::Receiver<ReloadRequest>, mut hang_ups: Signal) {
        let (mut looks, mut watched, mut generation) = (interval(LOOK_INTERVAL), Watched::default(), 0);
        looks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        loop {
            let (cause, reply) = select! {
                _ = looks.tick() => {
                    self.forget_upstreams();
                    if !self.has_changed(&mut watched).await {
                        continue;
                    }
                    (FILE_CHANGED, None)
                }
                _ = hang_ups.recv() => ("SIGHUP", None),
                Some(reply) = requests.recv() => ("an operator asked", Some(reply)),
            };
            generation += 1;
            // A text that is written between this look and the reload is looked at again.
            let found = self.look(&mut watched).await;
            let reloaded = self.reload(generation).await;
            let may_pass = matches!(reloaded, Reloaded::Refused(ReloadRefusal::StoreUnavailable(_)));
            watched.refused = found.filter(|_| !reloaded.is_success() && !may_pass);
            self.report(cause, &reloaded);
            if let Some(reply) = reply {
                // An operator that is gone finds the result in the log.
                drop(reply.send(reloaded));
            }
        }
    }

    /// Tells whether the file has a text that is to be judged.
    async fn has_changed(&self, watched: &mut Watched) -> bool {
        let found = self.look(watched).await;
        let digest = self.live.now().config.written.digest.clone();
        if watched.refused.is_some() && found.as_ref().is_some_and(|text| digest_of(text) == digest) {
            watched.refused = None;
            self.count(FILE_CHANGED, &Reloaded::Unchanged);
            info!("the file is the configuration in force again");
        }
        watched.is_due(found, &digest)
    }

    /// Reads the file. Reports once that it cannot be read.
    async fn look(&self, watched: &mut Watched) -> Option<Vec<u8>> {
        let file = self.source.file()?;
        let shown = file.display().to_string();
        // The file may be on a disk that hangs.
        let found = spawn_blocking(move || fs::read(&file)).await.map_err(std::io::Error::other).flatten();
        let was_missing = std::mem::replace(&mut watched.is_missing, found.is_err());
        if let (Err(why), false) = (&found, was_missing) {
            warn!("{shown}: cannot be read, the configuration in force stays: {why}");
        }
        found.ok()
    }

    /// Reads the configuration and puts it into force.
    async fn reload(&self, generation: u64) -> Reloaded {
        let source = self.source.clone();
        let loaded = spawn_blocking(move || source.load()).await;
        let config = match loaded {
            Ok(Ok(config)) => config,
            Ok(Err(errors)) => return Reloaded::Refused(ReloadRefusal::Invalid(errors)),
            Err(panic) => return Reloaded::Refused(ReloadRefusal::Unusable(panic.to_string())),
        };
        if config.written.digest == self.live.now().config.written.digest {
            return Reloaded::Unchanged;
        }
        match self.take(config, generation).await {
            Ok(changed) => Reloaded::InForce(changed),
            Err(refusal) => Reloaded::Refused(refusal),
        }
    }

    /// Makes everything that a configuration needs, and puts it into use.
    async fn take(&self, config: Config, generation: u64) -> Result<Vec<String>, ReloadRefusal> {
        let (mut changes, Beside { config, needs_restart, warnings }) = {
            let current = self.live.now();
            let changes = current.config.written.changes_to(&config.written);
            let config = config.continuing(&self.proxy.upstreams(), generation);
            (changes, config.beside(&current.config, descriptors::most()))
        };
        changes.need_restart.extend(needs_restart);
        if !changes.need_restart.is_empty() {
            return Err(ReloadRefusal::NeedsRestart(changes.need_restart));
        }
        self.check_clock(&config)?;
        let unusable = |why: &dyn std::fmt::Display| ReloadRefusal::Unusable(why.to_string());
        let upstreams = self.proxy.make(&config.upstreams);
        let upstreams = upstreams.map_err(|(name, why)| unusable(&format!("upstreams.{name}: {why}")))?;
        let table = table(&config).map_err(|why| unusable(&why))?;
        let (keeper, witnesses) = evidence(&config, &self.upstream).map_err(|why| unusable(&why))?;
        self.agree(&config).await?;
        for warning in warnings {
            warn!("{warning}");
        }
        self.proxy.add(upstreams);
        self.settler.consult(keeper, witnesses);
        if let Some(limits) = clock::limits(&config) {
            self.ledger.lower_clock_limits(limits);
        }
        self.store.keep_room_for(stores::largest_response(&config));
        self.gateway.reconfigure(&config.server, &self.proxy.upstreams(), table.largest_response());
        self.routes.replace(table);
        self.settled_routes.send_replace(config.routes.clone());
        self.live.replace(config);
        self.note_loaded();
        Ok(changes.changed)
    }

    /// Refuses the first routes of a gateway whose store has a clock that this gateway does not watch.
    fn check_clock(&self, config: &Config) -> Result<(), ReloadRefusal> {
        let is_first = self.ledger.jumps().is_none() && clock::limits(config).is_some();
        match is_first && config.store.settings.clock() == ClockSource::Server {
            true => Err(ReloadRefusal::NeedsRestart(vec!["routes (the first one)".into()])),
            false => Ok(()),
        }
    }

    /// Compares the names of operations with the store and with the configuration in force.
    async fn agree(&self, config: &Config) -> Result<(), ReloadRefusal> {
        match self.agreement.compare_for_reload(&self.live.now().config, config).await {
            Ok(None) => Ok(()),
            Ok(Some(refusal)) => Err(ReloadRefusal::Identity(refusal.to_string())),
            Err(StoreError::Refused(why)) => Err(ReloadRefusal::Unusable(why.to_string())),
            Err(error) => Err(ReloadRefusal::StoreUnavailable(format!(
                "the store has to tell how operations are named, and does not answer: {error}"
            ))),
        }
    }

    /// Forgets the upstreams of earlier configurations that no request leads to any more.
    fn forget_upstreams(&self) {
        let loaded = self.live.now();
        let config = &loaded.config;
        if self.proxy.upstreams().len() == config.upstreams.len() {
            return;
        }
        self.gateway.reconfigure(&config.server, &config.upstreams, self.routes.table().largest_response());
        for name in self.proxy.forget_unused() {
            info!(upstream = name, "no request uses the earlier settings of the upstream any more");
        }
    }

    fn note_loaded(&self) {
        let loaded = self.live.now();
        let since = loaded.loaded_at.duration_since(UNIX_EPOCH).unwrap_or_default();
        self.metrics.config_loaded(loaded.version(), since.as_secs().cast_signed());
    }

    /// Counts a reload, and keeps it for operators.
    fn count(&self, cause: &'static str, reloaded: &Reloaded) {
        self.metrics.reloaded(reloaded.outcome(), reloaded.is_success());
        self.last.note(cause, reloaded.clone());
    }

    fn report(&self, cause: &'static str, reloaded: &Reloaded) {
        self.count(cause, reloaded);
        let outcome = reloaded.outcome();
        match reloaded {
            Reloaded::InForce(changed) => {
                info!(cause, outcome, changed = changed.join(", "), "the configuration was reloaded");
            }
            Reloaded::Unchanged => info!(cause, outcome, "the configuration is in force already"),
            Reloaded::Refused(refusal) => error!(
                cause,
                outcome,
                "the configuration was not reloaded, the one in force stays: {}",
                refusal.detail()
            ),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_text_is_judged_once_it_was_found_twice() {
        let (mut watched, in_force) = (Watched::default(), digest_of("one"));
        let mut look = |text: Option<&str>| watched.is_due(text.map(Into::into), &in_force);
        assert!(!look(Some("one")), "in force");
        assert!(!look(Some("two")) && look(Some("two")));
        assert!(!look(Some("thr")) && !look(Some("three")) && look(Some("three")), "still being written");
        assert!(!look(Some("four")) && !look(Some("one")) && !look(Some("four")), "it went away in between");
        assert!(!look(None) && !look(Some("four")) && look(Some("four")), "it was missing in between");
    }

    #[test]
    fn a_refused_text_is_not_judged_again() {
        let mut watched = Watched { refused: Some("bad".into()), ..Watched::default() };
        for _ in 0..3 {
            assert!(!watched.is_due(Some("bad".into()), ""));
        }
        assert!(!watched.is_due(Some("good".into()), "") && watched.is_due(Some("good".into()), ""));
    }
}
