//! The background settler: decides unknown outcomes that no attempt asks for.
//!
//! Every gateway of a fleet runs one, and none has to: each step is atomic in the store, and a question that two
//! gateways ask is harmless. An outcome is asked for once its deadline is over, and again after growing pauses
//! with jitter. A route has a bounded rate, so that an upstream that comes back is not flooded by its own
//! past. An outcome that stays unknown for a day, or past the window of `retry`, is left to attempts and to operators.
//!
//! Under `retry` there is nothing to ask: the kept request is sent again, inside the window.

use std::collections::HashMap;
use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::Semaphore;
use tokio::time::{Instant, sleep};
use tracing::warn;

use crate::backoff::jittered;
use crate::clock::Timestamp;
use crate::config::{Route, Settling};
use crate::protocol::{OnUnknown, Record, RecordId, State};
use crate::stop::Stop;
use crate::store::{Position, StoreError, UnknownFilter};

use super::{KeptRequest, Settlement, Settler, by};

/// Pause between two looks at the list of unknown outcomes.
const INTERVAL: Duration = Duration::from_millis(500);
/// Number of records that one page holds.
const PAGE: usize = 64;
/// Number of pages of one route that one look reads. The next look goes on behind them.
const PAGES: usize = 16;
/// Largest number of outcomes of one route that are settled at the same time.
const AT_ONCE: usize = 16;
/// Shortest time between the beginnings of two tries of one route.
const BETWEEN: Duration = Duration::from_millis(5);
/// Pause after the first try, and the longest one.
const PAUSES: [Duration; 2] = [Duration::from_secs(1), Duration::from_secs(300)];
/// Time after which an outcome that stays unknown is asked for no more.
const GIVES_UP_AFTER: Duration = Duration::from_hours(24);

/// A future that sends a kept request again.
pub type Rerun<'r> = Pin<Box<dyn Future<Output = ()> + Send + 'r>>;

/// The part of the gateway that runs an operation again with its kept request.
pub trait Runner: Send + Sync + 'static {
    /// Takes the operation over and runs its next execution, to its end.
    fn run_again(&self, id: RecordId, record: Arc<Record>, request: KeptRequest) -> Rerun<'_>;
}

/// Settles in the background until the drain begins. `routes` are the routes of the gateway.
pub async fn settle_in_background(
    settler: Settler,
    routes: Vec<Arc<Route>>,
    runner: Arc<dyn Runner>,
    stop: Stop,
) {
    let settled = |route: &&Arc<Route>| match &route.settling {
        Settling::Hold => false,
        Settling::Retry(_) => route.keep_request,
        Settling::Probe(_) | Settling::Marker(_) => true,
    };
    let mut tasks = tokio::task::JoinSet::new();
    for route in routes.iter().filter(settled) {
        let background = Background {
            settler: settler.clone(),
            route: Arc::clone(&route.name),
            runner: Arc::clone(&runner),
            permits: Arc::new(Semaphore::new(AT_ONCE)),
            stop: stop.clone(),
            tries: HashMap::new(),
        };
        tasks.spawn(background.run());
    }
    let all = async { while tasks.join_next().await.is_some() {} };
    stop.draining().run_until_cancelled(all).await;
}

/// The background settler of one route.
struct Background {
    settler: Settler,
    route: Arc<str>,
    runner: Arc<dyn Runner>,
    permits: Arc<Semaphore>,
    stop: Stop,
    tries: HashMap<RecordId, Tries>,
}

/// The tries that one record has had in this process.
struct Tries {
    count: u32,
    next: Instant,
    /// Number of the look that saw the record last.
    seen: u64,
    /// True if the record is tried no more.
    gave_up: bool,
}

impl Background {
    async fn run(mut self) {
        let (mut after, mut look) = (None, 0);
        loop {
            sleep(jittered(INTERVAL)).await;
            look += u64::from(after.is_none());
            match self.look(after, look).await {
                Ok(next) => after = next,
                Err(error) => {
                    warn!(route = %self.route, "cannot list unknown outcomes: {error}");
                    after = None;
                }
            }
            if after.is_none() {
                self.tries.retain(|_, tries| tries.seen == look);
            }
        }
    }

    /// Starts a try for each record on the next pages that is due. Returns the position to go on from.
    async fn look(&mut self, mut after: Option<Position>, look: u64) -> Result<Option<Position>, StoreError> {
        for _ in 0..PAGES {
            let filter = UnknownFilter { route: Some(self.route.to_string()), after };
            let page = self.settler.ledger.oldest_unknown(filter, PAGE).await?;
            for (id, record) in page.records {
                if self.is_due(id, &record, page.now, look) {
                    self.start(id, record, page.now).await;
                }
            }
            after = page.next;
            if after.is_none() {
                return Ok(None);
            }
        }
        Ok(after)
    }

    /// Tells whether a record is to be tried now, and counts the try.
    fn is_due(&mut self, id: RecordId, record: &Record, now: Timestamp, look: u64) -> bool {
        let State::Unknown { quiet_at, .. } = record.state else { return false };
        if now < quiet_at || record.policy.on_unknown == OnUnknown::Hold {
            return false;
        }
        let first = || Tries { count: 0, next: Instant::now(), seen: look, gave_up: false };
        let tries = self.tries.entry(id).or_insert_with(first);
        tries.seen = look;
        if tries.gave_up || tries.next > Instant::now() {
            return false;
        }
        tries.gave_up = !record.may_be_settled(now) || now.since(record.updated_at) > GIVES_UP_AFTER;
        if tries.gave_up {
            self.settler.metrics.settling_gave_up(&record.route, by(record.policy.on_unknown));
            warn!(
                record = %id, route = %record.route, execution = record.state.n(),
                "the outcome stays unknown: no evidence came in time, and an operator has to decide"
            );
            return false;
        }
        tries.count += 1;
        let [first, longest] = PAUSES;
        let pause = first.saturating_mul(1 << (tries.count - 1).min(16)).min(longest);
        tries.next = Instant::now() + jittered(pause);
        true
    }

    /// Starts one try in a task of its own, once there is room.
    async fn start(&self, id: RecordId, record: Record, now: Timestamp) {
        let Ok(permit) = Arc::clone(&self.permits).acquire_owned().await else { return };
        let (settler, runner) = (self.settler.clone(), Arc::clone(&self.runner));
        let stop = self.stop.clone();
        tokio::spawn(async move {
            let _permit = permit;
            stop.unless_cut(Box::pin(try_to_settle(settler, runner, id, record, now))).await;
        });
        sleep(BETWEEN).await;
    }
}

async fn try_to_settle(
    settler: Settler,
    runner: Arc<dyn Runner>,
    id: RecordId,
    record: Record,
    now: Timestamp,
) {
    let request = settler.kept_request(id, &record);
    let runs_again = match settler.settle(id, &record, now).await {
        Ok(Settlement::MayRunAgain) => Some(Arc::new(record)),
        Ok(Settlement::Decided(decided)) => matches!(decided.state, State::Cleared { .. }).then_some(decided),
        Ok(Settlement::Unknown | Settlement::Changed) => None,
        Err(error) => return warn!(record = %id, "the outcome stays unknown: {error}"),
    };
    if let (Some(record), Some(request)) = (runs_again, request) {
        runner.run_again(id, record, request).await;
    }
}
