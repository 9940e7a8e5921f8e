//! Waiting for an execution of another attempt. The owner wakes the waiter within this process, and the store
//! tells it about an owner in another process. The waiter also asks the store again now and then, in case
//! neither tells it.

use std::sync::Arc;
use std::time::Duration;

use tokio::select;
use tokio::time::{Instant, sleep_until};

use crate::backoff::jittered;
use crate::config::{InFlight, Route};
use crate::protocol::Fingerprint;
use crate::store::{StoreError, Woken};

use super::conclusion::Conclusion;
use super::flight::{Membership, Phase};

/// Time between two questions to the store about an execution of another process, before jitter:
/// at first, and at most.
const ASK_INTERVAL: (Duration, Duration) = (Duration::from_millis(20), Duration::from_millis(500));

/// Time an attempt waits for the store to take an outcome that this process already knows.
const WRITE_WAIT: Duration = Duration::from_secs(1);

/// The remaining wait of one attempt.
pub(super) struct Wait {
    /// Deadline of the wait, or `None` if the route does not let attempts wait.
    until: Option<Instant>,
    ask_interval: Duration,
    rounds: u32,
    woken: Option<Woken>,
}

/// The reason why the wait ended.
pub(super) enum WaitEnd {
    /// The conclusion that an owner in this process published.
    Concluded(Arc<Conclusion>),
    /// A possible change of the record.
    ClaimAgain,
    /// The end of the route's `wait_timeout`, or a store that does not take the outcome this process knows.
    OutOfTime,
}

impl Wait {
    pub(super) fn of(route: &Route) -> Self {
        let until = match route.in_flight {
            InFlight::Wait(longest) => Some(Instant::now() + longest),
            InFlight::Reject => None,
        };
        Self { until, ask_interval: ASK_INTERVAL.0, rounds: 0, woken: None }
    }

    /// Tells whether the attempt was present while an execution ran.
    pub(super) fn has_waited(&self) -> bool {
        self.rounds > 0
    }

    /// Waits for one of the ends in [`WaitEnd`], for a request with this fingerprint. `watch` asks the store
    /// to report changes. It is called once it is clear that no owner in this process will report.
    pub(super) async fn next_end<W>(
        &mut self,
        membership: &Membership,
        fingerprint: &Fingerprint,
        watch: impl FnOnce() -> W,
    ) -> WaitEnd
    where
        W: Future<Output = Result<Woken, StoreError>>,
    {
        let Some(until) = self.until else { return WaitEnd::OutOfTime };
        self.rounds += 1;
        let ask_at = until.min(Instant::now() + jittered(self.ask_interval));
        self.ask_interval = (self.ask_interval * 2).min(ASK_INTERVAL.1);
        let mut phase = membership.watch();
        // An outcome that waits for the store is read from the store, once the store has taken it.
        let unwritten = matches!(&*phase.borrow(), Phase::Unwritten(..));
        let until = if unwritten { until.min(Instant::now() + WRITE_WAIT) } else { until };
        loop {
            let wake_at = match &*phase.borrow_and_update() {
                Phase::Unwritten(..) if unwritten => until,
                Phase::Concluded(of, conclusion) | Phase::Unwritten(of, conclusion)
                    if of == fingerprint && !unwritten =>
                {
                    return WaitEnd::Concluded(Arc::clone(conclusion));
                }
                // The outcome of a different request is not for this attempt: the store says how the record
                // stands.
                Phase::Concluded(..) => return WaitEnd::ClaimAgain,
                // The owner lives in this process and will wake this attempt.
                Phase::Running | Phase::Unwritten(..) => until,
                Phase::Vacant if self.rounds > 1 && self.woken.is_none() => break,
                Phase::Vacant => ask_at,
            };
            select! {
                // The channel stays open: this attempt's membership keeps the flight.
                _ = phase.changed() => {}
                () = changed(&mut self.woken) => {
                    self.ask_interval = ASK_INTERVAL.0;
                    return WaitEnd::ClaimAgain;
                }
                () = sleep_until(wake_at) => {
                    return if Instant::now() >= until { WaitEnd::OutOfTime } else { WaitEnd::ClaimAgain };
                }
            }
        }
        // A change may precede the watch, so the store is asked once more before the wait. If the store
        // cannot report changes, only the repeated questions remain.
        self.woken = Some(watch().await.unwrap_or_else(|_| Box::pin(std::future::pending())));
        WaitEnd::ClaimAgain
    }
}

/// Resolves once when the store reports a change. After that, the record has to be watched anew.
async fn changed(woken: &mut Option<Woken>) {
    match woken {
        Some(changed) => changed.await,
        None => std::future::pending().await,
    }
    *woken = None;
}

#[cfg(test)]
mod tests {
    use std::future::pending;

    use http::{HeaderMap, Method};

    use super::*;
    use crate::gateway::flight::Flights;
    use crate::gateway::reply::{Unsettled, outcome_unknown};
    use crate::protocol::{BodyScheme, PathScheme, RecordId, RequestParts, Scheme};

    fn fingerprint(body: &[u8]) -> Fingerprint {
        let scheme =
            Arc::new(Scheme { body: BodyScheme::Raw, headers: Vec::new(), path: PathScheme::AsSent });
        let headers = HeaderMap::new();
        let asked = RequestParts { method: &Method::POST, path: "/", query: None, headers: &headers, body };
        Fingerprint::of(asked, &scheme)
    }

    /// A record can be forgotten and made anew by another request with its key while an attempt waits for it.
    #[tokio::test(start_paused = true)]
    async fn what_comes_of_another_request_is_not_told() {
        for (ran, changed) in [(b"mine", true), (b"else", false)] {
            let (flights, id) = (Flights::default(), RecordId::from_bytes(&[1; 20]).expect("twenty bytes"));
            let membership = flights.join(id);
            let until = Some(Instant::now() + Duration::from_secs(60));
            let mut wait = Wait { until, ask_interval: ASK_INTERVAL.0, rounds: 0, woken: None };
            let waiting = tokio::spawn(async move {
                wait.next_end(&membership, &fingerprint(b"mine"), pending::<Result<Woken, StoreError>>).await
            });
            tokio::task::yield_now().await;
            let lead = flights.join(id).lead(fingerprint(ran));
            tokio::task::yield_now().await;
            lead.publish(Arc::new(Conclusion::Failed(outcome_unknown(Unsettled::Held))));
            match waiting.await.expect("no panic") {
                WaitEnd::Concluded(_) => assert!(changed),
                WaitEnd::ClaimAgain => assert!(!changed),
                WaitEnd::OutOfTime => panic!("there was time"),
            }
        }
    }
}
