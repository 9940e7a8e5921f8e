//! The loop that tells the webhook: takes the lease, lists unknown records, and delivers their events.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use tokio::select;
use tokio::task::JoinSet;
use tokio::time::{Instant, sleep, timeout};
use tracing::{info, warn};

use crate::backoff::{Backoff, jittered};
use crate::config::Notify;
use crate::pem::PemError;
use crate::stop::Stop;
use crate::store::{Ledger, StoreError, UnknownFilter, UnknownPage};
use crate::telemetry::Metrics;

use super::event::{Event, EventDigest};
use super::lease::Lease;
use super::told::{Standing, Told};
use super::webhook::{Failure, Webhook};

/// Pause between two passes, or between two looks at the lease of another gateway.
const PAUSE: Duration = Duration::from_millis(1500);
/// Ratio of the pause to the time that a long pass took.
const SHARE: u32 = 5;
/// Number of records that one page holds.
const PAGE: usize = 64;
/// Largest number of deliveries at the same time. After a crash, as many events may be told again.
const AT_ONCE: usize = 4;
/// First and longest wait after a delivery that failed.
const WAITS: [Duration; 2] = [Duration::from_secs(1), Duration::from_secs(60)];
/// Shortest time between two warnings of one kind.
const BETWEEN_WARNINGS: Duration = Duration::from_secs(60);
/// Largest number of events that are put behind all others.
const MOST_POSTPONED: usize = 1024;
/// Longest time for giving the lease back at a stop.
const RELEASE: Duration = Duration::from_secs(1);

/// The notifier of one gateway.
pub struct Notifier {
    ledger: Ledger,
    metrics: Metrics,
    webhook: Arc<Webhook>,
    backoff: Backoff,
    /// Events that the webhook refused. They come after all others, so that one event that the webhook
    /// never takes does not hold the others up.
    postponed: BTreeSet<EventDigest>,
    delivery_warnings: Warnings,
    store_warnings: Warnings,
    is_failing: bool,
}

impl Notifier {
    /// Creates the notifier of a webhook.
    ///
    /// # Errors
    /// [`PemError`] if the URL is `https://` and this machine has no usual root certificates.
    pub fn new(notify: &Notify, ledger: Ledger, metrics: Metrics) -> Result<Self, PemError> {
        let [first, longest] = WAITS;
        Ok(Self {
            ledger,
            metrics,
            webhook: Arc::new(Webhook::new(notify)?),
            backoff: Backoff::between(first, longest),
            postponed: BTreeSet::new(),
            delivery_warnings: Warnings::default(),
            store_warnings: Warnings::default(),
            is_failing: false,
        })
    }

    /// Takes the lease whenever it is free, and tells the webhook while it is held.
    async fn run(mut self, lease: &Lease) {
        let mut told = Told::new(self.ledger.clone());
        loop {
            match lease.hold().await {
                Ok(true) => select! {
                    () = self.tell(&mut told) => {}
                    () = lease.keep() => {}
                },
                Ok(false) => {}
                Err(error) => self.store_failed(&error),
            }
            told.forget();
            sleep(jittered(PAUSE)).await;
        }
    }

    /// Makes one pass after the other, without end.
    async fn tell(&mut self, told: &mut Told) {
        loop {
            let started = Instant::now();
            let pause = match self.pass(told).await {
                Ok(Pass::Complete) => jittered(PAUSE.max(started.elapsed() * SHARE)),
                Ok(Pass::Failed) => self.backoff.next_wait(),
                Ok(Pass::OnlyPostponed) => {
                    self.postponed.clear();
                    continue;
                }
                Err(error) => {
                    self.store_failed(&error);
                    jittered(PAUSE)
                }
            };
            sleep(pause).await;
        }
    }

    /// Tells the events of all unknown records that were not told, up to the first failure.
    async fn pass(&mut self, told: &mut Told) -> Result<Pass, StoreError> {
        told.begin_pass();
        let (mut after, mut delivered, mut postponed) = (None, 0, 0);
        loop {
            let page = self.ledger.oldest_unknown(UnknownFilter { route: None, after }, PAGE).await?;
            after = page.next;
            let events = self.untold(page, told, &mut postponed).await?;
            let mut rest = events.as_slice();
            while !rest.is_empty() {
                // A webhook that fails is tried with one event.
                let at_once = if self.is_failing { 1 } else { AT_ONCE };
                let (some, later) = rest.split_at(at_once.min(rest.len()));
                let all_taken = self.deliver(some, told).await;
                told.save().await?;
                if !all_taken {
                    return Ok(Pass::Failed);
                }
                delivered += some.len();
                rest = later;
            }
            if after.is_none() {
                break;
            }
        }
        told.end_pass();
        told.save().await?;
        Ok(if postponed > 0 && delivered == 0 { Pass::OnlyPostponed } else { Pass::Complete })
    }

    /// Returns the events of a page that are to be told now, and counts those that are postponed.
    async fn untold(
        &mut self,
        page: UnknownPage,
        told: &mut Told,
        postponed: &mut usize,
    ) -> Result<Vec<Event>, StoreError> {
        let mut untold = Vec::new();
        for (id, record) in page.records {
            // A record past its ttl is on the list until it is swept.
            let Some(record) = record.at(page.now) else { continue };
            let Some(event) = Event::of_unknown(id, &record) else { continue };
            match told.standing(&event).await? {
                Standing::Told => {}
                Standing::New if self.postponed.contains(&event.digest) => *postponed += 1,
                Standing::New => untold.push(event),
                Standing::NoRoom if self.store_warnings.is_due() => warn!(
                    record = %id,
                    "too many outcomes are unknown: further ones are told to the webhook once others are decided"
                ),
                Standing::NoRoom => {}
            }
        }
        Ok(untold)
    }

    /// Delivers some events at the same time. Returns true if the webhook took all of them.
    async fn deliver(&mut self, events: &[Event], told: &mut Told) -> bool {
        let mut deliveries = JoinSet::new();
        for event in events {
            let (webhook, event) = (Arc::clone(&self.webhook), event.clone());
            deliveries.spawn(async move {
                let delivered = webhook.deliver(&event).await;
                (event, delivered)
            });
        }
        let mut taken = 0;
        while let Some(ended) = deliveries.join_next().await {
            match ended {
                Ok((event, Ok(()))) => {
                    taken += 1;
                    self.delivered(&event);
                    told.add(&event);
                }
                Ok((event, Err(failure))) => self.failed(&event, &failure),
                // A delivery that panicked counts as failed.
                Err(_) => {}
            }
        }
        if taken == events.len() {
            self.backoff.reset();
            if std::mem::take(&mut self.is_failing) {
                info!(webhook = %self.webhook.url, "the webhook takes events again");
            }
        }
        taken == events.len()
    }

    fn delivered(&mut self, event: &Event) {
        self.metrics.notified("delivered");
        info!(record = %event.record, event = %event.id, "the webhook was told that the outcome is unknown");
    }

    fn failed(&mut self, event: &Event, failure: &Failure) {
        self.metrics.notified("failed");
        self.is_failing = true;
        if failure.is_of_event() {
            if self.postponed.len() >= MOST_POSTPONED {
                self.postponed.clear();
            }
            self.postponed.insert(event.digest);
        }
        if self.delivery_warnings.is_due() {
            warn!(
                webhook = %self.webhook.url, record = %event.record,
                "the webhook did not take the event of an unknown outcome, which is sent again: {failure}"
            );
        }
    }

    fn store_failed(&mut self, error: &StoreError) {
        if self.store_warnings.is_due() {
            warn!("cannot look for unknown outcomes that the webhook was not told: {error}");
        }
    }
}

/// The result of a pass.
enum Pass {
    /// All events were told, perhaps except some that are postponed.
    Complete,
    /// The webhook did not take an event.
    Failed,
    /// The only events that are left are those that were postponed.
    OnlyPostponed,
}

/// The warnings of one kind.
#[derive(Default)]
struct Warnings {
    last: Option<Instant>,
}

impl Warnings {
    /// Tells whether a warning may be logged now, and counts it as logged.
    fn is_due(&mut self) -> bool {
        let is_due = self.last.is_none_or(|last| last.elapsed() >= BETWEEN_WARNINGS);
        if is_due {
            self.last = Some(Instant::now());
        }
        is_due
    }
}

/// Tells the webhook until the drain begins. Then it gives the lease back, so that another gateway goes on.
pub async fn notify_unknown(notifier: Notifier, stop: Stop) {
    let lease = Lease::new(notifier.ledger.clone());
    stop.draining().run_until_cancelled(notifier.run(&lease)).await;
    // Another gateway waits for the end of the lease if this fails.
    drop(timeout(RELEASE, lease.release()).await);
}

#[cfg(test)]
mod tests;
