//! The gateway's watch over its store's clock: the clock is compared with its last noted time before the
//! gateway serves, and noted again while the gateway serves.

use std::sync::Arc;
use std::time::Duration;

use humantime::format_duration;
use tokio::time::{Instant, sleep_until};
use tracing::{debug, warn};

use crate::backoff::jittered;
use crate::clock::uptime;
use crate::config::{Config, LiveConfig};
use crate::stop::Stop;
use crate::store::{ClockFound, ClockLimits, ClockSource, Ledger, Stopped, StoreError};

use super::start_deadline::{OpenFailure, StartDeadline};
use super::start_error::StartError;

/// Shortest and longest time between two notes of the clock.
const NOTED: (Duration, Duration) = (Duration::from_millis(200), Duration::from_secs(60));
/// Longest time between two checks of a gateway with stopped claims: another gateway may have accepted the
/// clock.
const CHECK_INTERVAL: Duration = Duration::from_millis(500);

/// Returns how far the clock may jump under this configuration; `None` without a route.
pub(super) fn limits(config: &Config) -> Option<ClockLimits> {
    Some(ClockLimits { ttl: config.shortest_ttl()?, retention: config.shortest_retention()? })
}

/// Returns the ledger, made to watch the clock if the store is a server. The other stores use this process's
/// own monotonic clock.
pub(super) fn watched(ledger: Ledger, config: &Config) -> Ledger {
    match (config.store.settings.clock(), limits(config)) {
        (ClockSource::Server, Some(limits)) => ledger.watching_clock(limits, Arc::new(uptime)),
        _ => ledger,
    }
}

/// Compares the clock with its last noted time, before anything else uses the clock.
///
/// # Errors
/// [`StartError`] if the store does not answer for as long as `deadline` lasts.
pub(super) async fn compare_at_start(
    ledger: &Ledger,
    accept: bool,
    deadline: &mut StartDeadline,
) -> Result<(), StartError> {
    let found = loop {
        match ledger.check_clock(accept).await {
            Ok(found) => break found,
            Err(error) => {
                let may_pass = !matches!(error, StoreError::Refused(_));
                deadline.wait_after(OpenFailure { cause: error.to_string(), may_pass }).await?;
            }
        }
    };
    match found {
        ClockFound::Steady => {}
        ClockFound::Ahead(span) => warn!(
            "the store's clock is {} ahead of the time that is known to have passed, more than the shortest ttl: if none ran for \
             that long all is well, else the clock has jumped and responses end too early",
            format_duration(Duration::from_secs(span.as_secs()))
        ),
        // This is logged together with every other reason to take no claims.
        ClockFound::Stopped => {}
        ClockFound::Accepted => warn!("the store's clock is accepted as --accept-clock says"),
    }
    Ok(())
}

/// Notes the clock while it is trusted. While it is not trusted, checks whether it was accepted.
pub(super) async fn maintain(ledger: Ledger, live: LiveConfig, stop: Stop) {
    if live.now().config.store.settings.clock() == ClockSource::Process {
        return;
    }
    let checks = async {
        let mut note_at = Instant::now();
        loop {
            let stopped = ledger.stopped().any(|reason| reason == Stopped::Clock);
            if stopped || Instant::now() >= note_at {
                // Without a route, no record of this gateway depends on the clock.
                if limits(&live.now().config).is_some()
                    && let Err(error) = ledger.maintain_clock().await
                {
                    // A store that does not answer is reported where it matters.
                    debug!("the store's clock could not be noted: {error}");
                }
                let shortest = live.now().config.shortest_ttl().unwrap_or(Duration::MAX);
                let interval = (shortest / 4).clamp(NOTED.0, NOTED.1);
                // Counted from the answer, so that a slow store is not asked without a pause.
                note_at = Instant::now() + jittered(interval);
            }
            sleep_until(note_at.min(Instant::now() + jittered(CHECK_INTERVAL))).await;
        }
    };
    stop.unless_cut(checks).await;
}
