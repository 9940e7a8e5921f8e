//! Certificates that change while the gateway runs.

use std::sync::Arc;
use std::time::Duration;

use tokio::select;
use tokio::signal::unix::Signal;
use tokio::time::{Instant, MissedTickBehavior, interval_at};
use tracing::{error, info};

use crate::config::{ListenerTls, UpstreamName};
use crate::reload::{FileCheck, ReloadError, Reloading};
use crate::server::Tls;
use crate::upstream::{Connector, Proxy};

use super::start_error::StartError;

/// Time between two checks of the files. SIGHUP starts one at once.
const CHECK_INTERVAL: Duration = Duration::from_secs(10);

/// Returns the TLS of a listener, or `None` if the listener does not use TLS.
pub(super) fn tls(
    section: &str,
    files: Option<&ListenerTls>,
    http2: bool,
) -> Result<Option<Arc<Tls>>, StartError> {
    let Some(files) = files else {
        return Ok(None);
    };
    let tls = Tls::new(files, http2).map_err(|error| StartError::of(format_args!("{section}.tls"), error))?;
    Ok(Some(Arc::new(tls)))
}

/// A check for changed files, with the name of its configuration section.
pub(super) type WatchedFiles = (String, Box<dyn Fn() -> Result<FileCheck, ReloadError> + Send + Sync>);

/// Pairs a section with the check of the files that `holder` uses.
pub(super) fn watched_files<T: Send + Sync + 'static, H: Send + Sync + 'static>(
    section: impl Into<String>,
    holder: H,
    files: impl Fn(&H) -> &Reloading<T> + Send + Sync + 'static,
) -> WatchedFiles {
    (section.into(), Box::new(move || files(&holder).check()))
}

/// Looks at the files of the listeners and of the upstreams of `proxy` for as long as the gateway runs: every
/// [`CHECK_INTERVAL`], and at each of `hang_ups`.
pub(super) async fn watch(listeners: Vec<WatchedFiles>, proxy: Proxy, mut hang_ups: Signal) {
    let listeners: Arc<[WatchedFiles]> = listeners.into();
    // The files were read a moment ago, so the first check comes after a full interval.
    let mut ticks = interval_at(Instant::now() + CHECK_INTERVAL, CHECK_INTERVAL);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        let hung_up = select! {
            _ = ticks.tick() => false,
            _ = hang_ups.recv() => true,
        };
        let upstreams: Vec<_> = proxy.connectors().map(of_upstream).collect();
        if hung_up {
            info!("SIGHUP: looking at the certificates of {} sections", listeners.len() + upstreams.len());
        }
        // The files may be on a disk that hangs.
        let listeners = Arc::clone(&listeners);
        let looked =
            tokio::task::spawn_blocking(move || listeners.iter().chain(&upstreams).for_each(check)).await;
        drop(looked);
    }
}

/// Returns the check of the certificates of an upstream.
fn of_upstream((name, connector): (UpstreamName, Arc<Connector>)) -> WatchedFiles {
    watched_files(format!("upstreams.{name}"), connector, |connector: &Arc<_>| &**connector)
}

fn check((section, check): &WatchedFiles) {
    match check() {
        Ok(FileCheck::Unchanged) => {}
        Ok(FileCheck::Reloaded) => info!("{section}: the certificates changed and are in use"),
        Err(why) => {
            error!("{section}: the certificates changed and are not usable, the old ones stay in use: {why}")
        }
    }
}
