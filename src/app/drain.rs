//! The end of a gateway: the signal, the drain, and the cut of what still runs after it.

use std::pin::pin;
use std::process::ExitCode;
use std::sync::Arc;
use std::time::Duration;

use tokio::select;
use tokio::task::JoinHandle;
use tokio::time::{sleep, timeout};
use tracing::{error, info, warn};

use crate::config::LiveConfig;
use crate::gateway::Gateway;
use crate::stop::Stop;
use crate::store::Store;

use super::signals::Signals;

/// Time that executions have, once cut off, to record that their outcome is unknown and to tell their
/// clients.
const LAST_WRITES: Duration = Duration::from_secs(3);

/// The tasks of a gateway that a drain waits for.
pub(super) struct Running {
    pub(super) gateway: Arc<Gateway>,
    /// Task of the public listener.
    pub(super) serving: JoinHandle<()>,
    pub(super) sweeping: JoinHandle<()>,
    /// Task of the notifier, which ends soon after the drain begins.
    pub(super) notifying: Option<JoinHandle<()>>,
    pub(super) stop: Stop,
    pub(super) admin_stop: Stop,
}

impl Running {
    /// Waits until all executions have ended. After `drain_timeout`, cuts off those that still run. The admin
    /// listener ends last.
    pub(super) async fn drain(self, drain_timeout: Duration) {
        let Self { gateway, serving, sweeping, notifying, stop, admin_stop } = self;
        let executions = gateway.executions();
        executions.close();
        let mut all_done = pin!(async {
            executions.wait().await;
            serving.await
        });
        if timeout(drain_timeout, &mut all_done).await.is_err() {
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
        if let Some(notifying) = notifying {
            drop(notifying.await);
        }
        gateway.finish_traces().await;
    }
}

/// Waits until something ends the gateway, and begins its drain. Returns the exit code to use after the
/// drain, or `None` if the gateway has to end at once.
pub(super) async fn until_drain(
    live: &LiveConfig,
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
    let delay = live.now().config.server.shutdown_delay;
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
    let drain_timeout = live.now().config.server.drain_timeout;
    info!("{name}: draining for up to {drain_timeout:?}; a second signal ends at once");
    Some(ExitCode::SUCCESS)
}

/// Says that a second signal ends the gateway, and returns the exit code for that.
pub(super) fn ended_at_once(name: &str) -> ExitCode {
    warn!("{name} again: ending at once");
    ExitCode::FAILURE
}
