//! Waiting for an execution of another attempt: woken by its owner within this process, told by
//! the store about an owner elsewhere, and asking again now and then in case nobody tells.

use std::sync::Arc;
use std::time::Duration;

use tokio::select;
use tokio::time::{Instant, sleep_until};

use crate::config::{InFlight, Route};
use crate::protocol::Fingerprint;
use crate::store::{StoreError, Woken};

use super::conclusion::Conclusion;
use super::flight::{Phase, Seat};

/// How soon, and at most how rarely, the store is asked about an execution of another process.
const ASK_AGAIN: (Duration, Duration) = (Duration::from_millis(20), Duration::from_millis(500));

/// How long an attempt waits at once for the store to take what this process knows already.
const WRITE_WAIT: Duration = Duration::from_secs(1);

/// How long one attempt still waits.
pub(super) struct Patience {
    /// `None` if the route lets nobody wait.
    until: Option<Instant>,
    ask_again: Duration,
    rounds: u32,
    woken: Option<Woken>,
}

/// Why the waiting ended.
pub(super) enum Waited {
    /// An owner in this process published this.
    Concluded(Arc<Conclusion>),
    /// The record may have changed.
    AskAgain,
    /// The route's `wait_timeout` is over, or the store does not take what this process knows.
    OutOfTime,
}

impl Patience {
    pub(super) fn of(route: &Route) -> Self {
        let until = match route.in_flight {
            InFlight::Wait(longest) => Some(Instant::now() + longest),
            InFlight::Reject => None,
        };
        Self { until, ask_again: ASK_AGAIN.0, rounds: 0, woken: None }
    }

    /// Whether the attempt was already there while an execution ran.
    pub(super) fn has_waited(&self) -> bool {
        self.rounds > 0
    }

    /// Waits for one of the ends in [`Waited`], with a request of this fingerprint. `watch` asks the store to
    /// tell of changes; it is called once it is clear that no owner in this process will.
    pub(super) async fn wait<W>(
        &mut self,
        seat: &Seat,
        fingerprint: &Fingerprint,
        watch: impl FnOnce() -> W,
    ) -> Waited
    where
        W: Future<Output = Result<Woken, StoreError>>,
    {
        let Some(until) = self.until else { return Waited::OutOfTime };
        self.rounds += 1;
        let ask_at = until.min(Instant::now() + self.ask_again);
        self.ask_again = (self.ask_again * 2).min(ASK_AGAIN.1);
        let mut phase = seat.watch();
        // What waits for the store is asked of it, once it has taken it.
        let unwritten = matches!(&*phase.borrow(), Phase::Unwritten(..));
        let until = if unwritten { until.min(Instant::now() + WRITE_WAIT) } else { until };
        loop {
            let wake_at = match &*phase.borrow_and_update() {
                Phase::Unwritten(..) if unwritten => until,
                Phase::Concluded(of, conclusion) | Phase::Unwritten(of, conclusion)
                    if of == fingerprint && !unwritten =>
                {
                    return Waited::Concluded(Arc::clone(conclusion));
                }
                // What another request came to is not for this one: the store says how it stands.
                Phase::Concluded(..) => return Waited::AskAgain,
                // Its owner lives in this process and will wake us.
                Phase::Running | Phase::Unwritten(..) => until,
                Phase::Vacant if self.rounds > 1 && self.woken.is_none() => break,
                Phase::Vacant => ask_at,
            };
            select! {
                // It cannot end: this attempt's seat keeps the flight.
                _ = phase.changed() => {}
                () = told(&mut self.woken) => {
                    self.ask_again = ASK_AGAIN.0;
                    return Waited::AskAgain;
                }
                () = sleep_until(wake_at) => {
                    return if Instant::now() >= until { Waited::OutOfTime } else { Waited::AskAgain };
                }
            }
        }
        // Who has just begun to watch has to look once more before waiting; one that cannot be told
        // is left with asking.
        self.woken = Some(watch().await.unwrap_or_else(|_| Box::pin(std::future::pending())));
        Waited::AskAgain
    }
}

/// Resolves once when the store tells of a change; then it has to be watched anew.
async fn told(woken: &mut Option<Woken>) {
    match woken {
        Some(told) => told.await,
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
    use crate::gateway::reply::outcome_unknown;
    use crate::protocol::{Asked, BodyScheme, PathScheme, RecordId, Scheme};

    fn fingerprint(body: &[u8]) -> Fingerprint {
        let scheme =
            Arc::new(Scheme { body: BodyScheme::Raw, headers: Vec::new(), path: PathScheme::AsSent });
        let headers = HeaderMap::new();
        let asked = Asked { method: &Method::POST, path: "/", query: None, headers: &headers, body };
        Fingerprint::of(asked, &scheme)
    }

    /// The record that somebody waits for can be gone and made anew by another request with its key.
    #[tokio::test(start_paused = true)]
    async fn what_comes_of_another_request_is_not_told() {
        for (ran, told) in [(b"mine", true), (b"else", false)] {
            let (flights, id) = (Flights::default(), RecordId::from_bytes(&[1; 20]).expect("twenty bytes"));
            let seat = flights.join(id);
            let until = Some(Instant::now() + Duration::from_secs(60));
            let mut patience = Patience { until, ask_again: ASK_AGAIN.0, rounds: 0, woken: None };
            let waiting = tokio::spawn(async move {
                patience.wait(&seat, &fingerprint(b"mine"), pending::<Result<Woken, StoreError>>).await
            });
            tokio::task::yield_now().await;
            let lead = flights.join(id).lead(fingerprint(ran));
            tokio::task::yield_now().await;
            lead.publish(Arc::new(Conclusion::Failed(outcome_unknown())));
            match waiting.await.expect("no panic") {
                Waited::Concluded(_) => assert!(told),
                Waited::AskAgain => assert!(!told),
                Waited::OutOfTime => panic!("there was time"),
            }
        }
    }
}
