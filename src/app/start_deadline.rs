//! The time that a start waits for its store.

use std::time::Duration;

use tokio::time::{Instant, sleep};
use tracing::warn;

use crate::backoff::Backoff;

use super::start_error::StartError;

/// Longest pause after the first failure. It doubles with each further failure, up to [`LONGEST_PAUSE`].
const FIRST_PAUSE: Duration = Duration::from_millis(100);
const LONGEST_PAUSE: Duration = Duration::from_secs(2);
/// Time between two log lines that say that the start still waits.
const LOG_INTERVAL: Duration = Duration::from_secs(10);

/// The reason why a start has no store yet.
pub(super) struct OpenFailure {
    /// Description of the failure.
    pub(super) cause: String,
    /// True if waiting may help.
    pub(super) may_pass: bool,
}

/// The time that a start has for its store.
pub(super) struct StartDeadline {
    span: Duration,
    until: Instant,
    pauses: Backoff,
    log_at: Option<Instant>,
}

impl StartDeadline {
    /// Grants `span`, counted from now.
    pub(super) fn of(span: Duration) -> Self {
        Self {
            span,
            until: Instant::now() + span,
            pauses: Backoff::between(FIRST_PAUSE, LONGEST_PAUSE),
            log_at: None,
        }
    }

    /// Waits before the next try.
    ///
    /// # Errors
    /// [`StartError`] if waiting does not help, or if no time is left.
    pub(super) async fn wait_after(&mut self, failure: OpenFailure) -> Result<(), StartError> {
        let OpenFailure { cause, may_pass } = failure;
        let now = Instant::now();
        match () {
            () if !may_pass || self.span.is_zero() => return Err(StartError::new(cause)),
            () if now >= self.until => {
                let span = humantime::format_duration(self.span);
                return Err(StartError::new(format!(
                    "{cause}; it was tried for {span} (store.start_timeout)"
                )));
            }
            () => {}
        }
        if self.log_at.is_none_or(|at| now >= at) {
            let left =
                humantime::format_duration(Duration::from_secs(self.until.duration_since(now).as_secs()));
            warn!("the store is not there yet, the start waits for it up to {left} more: {cause}");
            self.log_at = Some(now + LOG_INTERVAL);
        }
        sleep(self.pauses.next_wait().min(self.until.duration_since(now))).await;
        Ok(())
    }
}
