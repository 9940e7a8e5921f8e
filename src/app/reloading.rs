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

use std::sync::Arc;
use std::time::{Duration, UNIX_EPOCH};

use tokio::signal::unix::Signal;
use tokio::sync::{mpsc, watch};
use tokio::time::{MissedTickBehavior, interval};
use tokio::{select, spawn};
use tokio_util::task::AbortOnDropHandle;
use tracing::{error, info, warn};

use crate::admin::{Cause, LastReloads, Reload, ReloadRefusal, ReloadRequest, Reloaded};
use crate::config::{Beside, Config, LiveConfig, Route};
use crate::descriptors;
use crate::failpoint::failpoint;
use crate::gateway::{Gateway, Upstream};
use crate::routes::LiveRoutes;
use crate::settle::Settler;
use crate::stop::Stop;
use crate::store::{ClockSource, Ledger, Store, StoreError};
use crate::telemetry::Metrics;
use crate::upstream::Proxy;

use super::assembly::{evidence, table};
use super::config_source::ConfigSource;
use super::file_work::{FileWork, NoResult};
use super::identity::Agreement;
use super::watched_file::{Found, Judgment, Look, Looks, look};
use super::{clock, stores};

/// Time between two looks at the configuration file. A change is taken once two looks in a row have found the
/// same text, so that a file that is still being written is not taken.
const LOOK_INTERVAL: Duration = Duration::from_secs(2);
/// Number of looks after which a text is judged again that was refused because of another file.
const LOOKS_BETWEEN_TRIES: u32 = 5;

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
    pub(super) files: FileWork,
}

impl Reloader {
    /// Reloads until the drain begins.
    pub(super) async fn run(self, requests: mpsc::Receiver<ReloadRequest>, hang_ups: Signal, stop: Stop) {
        self.note_loaded();
        if let (Some(file), false) = (self.source.file(), self.source.is_watched()) {
            info!("{} is no regular file, so changes of it are not looked for", file.display());
        }
        stop.draining().run_until_cancelled(Arc::new(self).reload_forever(requests, hang_ups)).await;
    }

    async fn reload_forever(
        self: Arc<Self>,
        mut requests: mpsc::Receiver<ReloadRequest>,
        mut hang_ups: Signal,
    ) {
        let (mut ticks, mut looks, mut generation) = (interval(LOOK_INTERVAL), Looks::default(), 0);
        ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        loop {
            let (cause, reply) = select! {
                _ = ticks.tick() => (Cause::FileChanged, None),
                _ = hang_ups.recv() => (Cause::HangUp, None),
                Some(ReloadRequest { by, reply }) = requests.recv() => (Cause::Operator(by), Some(reply)),
            };
            let by_itself = matches!(cause, Cause::FileChanged);
            if by_itself {
                self.forget_upstreams();
                if !self.source.is_watched() {
                    continue;
                }
            }
            let look = self.look().await;
            if by_itself && !self.is_due(&mut looks, &look) {
                continue;
            }
            generation += 1;
            let reload = self.reload(cause, &look, generation).await;
            looks.judged(&look, judgment(&reload.reloaded));
            let repeats = self.last.last().is_some_and(|last| reload.repeats(&last));
            if !(by_itself && repeats) {
                self.report(reload.clone());
            }
            if let Some(reply) = reply {
                // An operator that is gone finds the result in the log.
                drop(reply.send(reload));
            }
        }
    }

    /// Looks at the file. Without a file, the text is always the one in force.
    async fn look(&self) -> Look {
        match self.source.file() {
            Some(file) => look(file, &self.files).await,
            None => Ok(Found { contents: Vec::new(), digest: self.digest_in_force() }),
        }
    }

    /// Tells whether the file has a text that is to be judged.
    fn is_due(&self, looks: &mut Looks, look: &Look) -> bool {
        let digest = self.digest_in_force();
        let is_in_force = look.as_ref().is_ok_and(|found| found.digest == digest);
        if is_in_force && self.last.last().is_some_and(|last| !last.reloaded.is_success()) {
            self.report(Reload::now(Cause::FileChanged, Some(digest.clone()), Reloaded::Unchanged));
        }
        looks.is_due(look, &digest)
    }

    /// Judges a text, and puts it into force if it is fine.
    async fn reload(self: &Arc<Self>, cause: Cause, look: &Look, generation: u64) -> Reload {
        let found = match look {
            Ok(found) => found.clone(),
            Err(why) => {
                let refusal = ReloadRefusal::Unusable(why.clone());
                return Reload::now(cause, None, Reloaded::Refused(refusal));
            }
        };
        if found.digest == self.digest_in_force() {
            return Reload::now(cause, Some(found.digest), Reloaded::Unchanged);
        }
        // A task of its own, so that a panic ends this reload only.
        let taken = AbortOnDropHandle::new(spawn(Arc::clone(self).take_up(found.contents, generation))).await;
        let reloaded = match taken {
            Ok(Ok(changed)) => Reloaded::InForce(changed),
            Ok(Err(refusal)) => Reloaded::Refused(refusal),
            Err(_) => Reloaded::Refused(ReloadRefusal::Panicked),
        };
        Reload::now(cause, Some(found.digest), reloaded)
    }

    /// Checks a text, and puts it into force if it is fine. Returns the keys that changed.
    async fn take_up(
        self: Arc<Self>,
        contents: Vec<u8>,
        generation: u64,
    ) -> Result<Vec<String>, ReloadRefusal> {
        failpoint!("reload");
        let source = self.source.clone();
        let config = self.on_files(move || source.load(&contents)).await?.map_err(ReloadRefusal::of)?;
        self.take(config, generation).await
    }

    /// Does work that reads files which the configuration names.
    async fn on_files<T: Send + 'static>(
        &self,
        work: impl FnOnce() -> T + Send + 'static,
    ) -> Result<T, ReloadRefusal> {
        self.files.run(work).await.map_err(|failure| match failure {
            NoResult::Hangs => ReloadRefusal::Unusable(format!(
                "a file that the configuration names cannot be read: {}",
                failure.in_words()
            )),
            NoResult::Panicked => ReloadRefusal::Panicked,
        })
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
        let (proxy, upstreams) = (self.proxy.clone(), config.upstreams.clone());
        let upstreams = self.on_files(move || proxy.make(&upstreams)).await?;
        let upstreams = upstreams.map_err(|(name, why)| unusable(&format!("upstreams.{name}: {why}")))?;
        let table = table(&config).map_err(|why| unusable(&why))?;
        let (keeper, witnesses) = evidence(&config, &self.upstream).map_err(|why| unusable(&why))?;
        self.agree(&config).await?;
        for warning in warnings {
            warn!("{warning}");
        }
        if let Some(warning) = config.opening_after(&self.live.now().config) {
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

    fn digest_in_force(&self) -> String {
        self.live.now().config.written.digest.clone()
    }

    fn note_loaded(&self) {
        let loaded = self.live.now();
        let since = loaded.loaded_at.duration_since(UNIX_EPOCH).unwrap_or_default();
        self.metrics.config_loaded(loaded.version(), since.as_secs().cast_signed());
    }

    /// Counts a reload, logs it, and keeps it for operators.
    fn report(&self, reload: Reload) {
        let (cause, by) = (reload.cause.in_words(), reload.cause.operator());
        let (outcome, is_success) = (reload.reloaded.outcome(), reload.reloaded.is_success());
        let was_refused = self.last.last().is_some_and(|last| !last.reloaded.is_success());
        self.metrics.reloaded(outcome, is_success);
        match &reload.reloaded {
            Reloaded::InForce(changed) => {
                info!(cause, by, outcome, changed = changed.join(", "), "the configuration was reloaded");
            }
            Reloaded::Unchanged if was_refused => {
                info!(cause, by, outcome, "the file is the configuration in force again");
            }
            Reloaded::Unchanged => info!(cause, by, outcome, "the configuration is in force already"),
            Reloaded::Refused(refusal @ ReloadRefusal::Panicked) => {
                error!(cause, by, outcome, "the configuration was not reloaded: {}", refusal.in_one_line());
            }
            Reloaded::Refused(refusal) => error!(
                cause,
                by,
                outcome,
                "the configuration was not reloaded, the one in force stays: {}",
                refusal.in_one_line()
            ),
        }
        self.last.note(reload);
    }
}

/// Returns how the find of a reload is judged.
fn judgment(reloaded: &Reloaded) -> Judgment {
    match reloaded {
        Reloaded::InForce(_) | Reloaded::Unchanged => Judgment::Taken,
        Reloaded::Refused(ReloadRefusal::StoreUnavailable(_)) => Judgment::RefusedForLooks(1),
        // A file that the configuration names may come, or become usable, while the text stays.
        Reloaded::Refused(ReloadRefusal::Unusable(_) | ReloadRefusal::UnusableFiles(_)) => {
            Judgment::RefusedForLooks(LOOKS_BETWEEN_TRIES)
        }
        // The text alone decides, or an operator has to.
        Reloaded::Refused(
            ReloadRefusal::Invalid(_)
            | ReloadRefusal::NeedsRestart(_)
            | ReloadRefusal::Identity(_)
            | ReloadRefusal::Panicked,
        ) => Judgment::Refused,
    }
}
