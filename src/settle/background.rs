//! The background settler: decides unknown outcomes that no attempt asks for.
//!
//! Every gateway of a fleet runs one, and none has to: each step is atomic in the store, and a question that
//! two gateways ask is harmless. An outcome is asked for once its deadline is over, and again after growing
//! pauses with jitter. An upstream has a bounded rate, so that an upstream that comes back is not flooded by
//! its own past. An outcome that stays unknown for a day, or past the window of `retry`, is left to attempts
//! and to operators.
//!
//! Under `retry` there is nothing to ask: the kept request is sent again, inside the window.

use std::collections::HashMap;
use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::{Semaphore, watch};
use tokio::task::JoinSet;
use tokio::time::{Instant, sleep};
use tracing::warn;

use crate::backoff::jittered;
use crate::clock::Timestamp;
use crate::config::{Route, Settling, UpstreamName};
use crate::protocol::{OnUnknown, Record, RecordId, State};
use crate::stop::Stop;
use crate::store::{Position, StoreError, UnknownFilter};

use super::{KeptRequest, Settlement, Settler, by};

/// Pause between two looks at the list of unknown outcomes, and the longest one once looks find nothing to
/// do.
const INTERVALS: [Duration; 2] = [Duration::from_millis(500), Duration::from_secs(4)];
/// Number of records that one page holds.
const PAGE: usize = 64;
/// Number of pages of one route that one look reads. The next look goes on behind them.
const PAGES: usize = 16;
/// Largest number of outcomes of one upstream that are settled at the same time.
const AT_ONCE: usize = 16;
/// Shortest time between the beginnings of two tries of one route.
const BETWEEN: Duration = Duration::from_millis(5);
/// Pause after the first try, and the longest one.
const PAUSES: [Duration; 2] = [Duration::from_secs(1), Duration::from_secs(300)];
/// Time since the first attempt after which an outcome that stays unknown is asked for no more, if it was
/// asked for at all. A window of `retry` ends this by itself.
const GIVES_UP_AFTER: Duration = Duration::from_hours(24);
/// Number of executions of one operation that the gateway makes by itself where no window of the upstream's
/// keys protects it.
const MOST_EXECUTIONS: u32 = 4;
/// Time for which the tries of a record are remembered after the last sight of it.
const REMEMBERED: Duration = Duration::from_mins(15);

/// A future that sends a kept request again.
pub type Rerun<'r> = Pin<Box<dyn Future<Output = ()> + Send + 'r>>;

/// The part of the gateway that runs an operation again with its kept request.
pub trait Runner: Send + Sync + 'static {
    /// Takes the operation over and runs its next execution, to its end.
    fn run_again(&self, id: RecordId, record: Arc<Record>, request: KeptRequest) -> Rerun<'_>;
}

/// Settles in the background until the drain begins. `routes` are the routes in use. When they change, each
/// of them begins anew, and tries under way go on to their end.
pub async fn settle_in_background(
    settler: Settler,
    mut routes: watch::Receiver<Vec<Arc<Route>>>,
    runner: Arc<dyn Runner>,
    stop: Stop,
) {
    let mut permits = Permits::default();
    let all = async {
        loop {
            let current = routes.borrow_and_update().clone();
            let tasks = start_all(&settler, &current, &runner, &stop, &mut permits);
            drop(current);
            let changed = routes.changed().await;
            drop(tasks);
            if changed.is_err() {
                return;
            }
        }
    };
    stop.draining().run_until_cancelled(all).await;
}

/// The permits of tries by the upstream's name. Tries that go on after a change of the routes keep theirs.
#[derive(Default)]
struct Permits(HashMap<String, Arc<Semaphore>>);

impl Permits {
    /// Returns the permits of an upstream. They are the same ones after a change of its settings.
    fn of(&mut self, upstream: &UpstreamName) -> Arc<Semaphore> {
        // The text, because a clone of the name says that the upstream is used.
        let new = || Arc::new(Semaphore::new(AT_ONCE));
        Arc::clone(self.0.entry(upstream.as_str().to_owned()).or_insert_with(new))
    }

    /// Forgets the permits that neither a settler nor a try holds.
    fn forget_unused(&mut self) {
        self.0.retain(|_, permits| Arc::strong_count(permits) > 1 || permits.available_permits() < AT_ONCE);
    }
}

/// Starts the background settlers of those routes that need one. They end when the result is dropped.
fn start_all(
    settler: &Settler,
    routes: &[Arc<Route>],
    runner: &Arc<dyn Runner>,
    stop: &Stop,
    permits: &mut Permits,
) -> JoinSet<()> {
    let settled = |route: &&Arc<Route>| match &route.settling {
        Settling::Hold => false,
        Settling::Retry(_) => route.keep_request,
        Settling::Probe(_) | Settling::Marker(_) => true,
    };
    let mut tasks = JoinSet::new();
    for route in routes.iter().filter(settled) {
        let background = Background {
            settler: settler.clone(),
            route: Arc::clone(route),
            runner: Arc::clone(runner),
            permits: permits.of(&route.upstream),
            stop: stop.clone(),
            tries: HashMap::new(),
        };
        tasks.spawn(background.run());
    }
    permits.forget_unused();
    tasks
}

/// The background settler of one route.
struct Background {
    settler: Settler,
    route: Arc<Route>,
    runner: Arc<dyn Runner>,
    permits: Arc<Semaphore>,
    stop: Stop,
    tries: HashMap<RecordId, Tries>,
}

/// The tries that one record has had in this process.
struct Tries {
    count: u32,
    next: Instant,
    seen: Instant,
    /// True if the record is tried no more.
    gave_up: bool,
}

impl Background {
    async fn run(mut self) {
        let [shortest, longest] = INTERVALS;
        let (mut after, mut pause, mut is_idle) = (None, shortest, true);
        loop {
            sleep(jittered(pause)).await;
            match self.look(after).await {
                Ok((next, started)) => {
                    after = next;
                    is_idle &= started == 0;
                }
                Err(error) => {
                    warn!(route = %self.route.name, "cannot list unknown outcomes: {error}");
                    after = None;
                }
            }
            if after.is_none() {
                pause = if is_idle { pause.saturating_mul(2).min(longest) } else { shortest };
                is_idle = true;
                self.tries.retain(|_, tries| tries.seen.elapsed() < REMEMBERED);
            }
        }
    }

    /// Starts a try for each record on the next pages that is due. Returns the position to go on from, and
    /// the number of tries.
    async fn look(&mut self, mut after: Option<Position>) -> Result<(Option<Position>, usize), StoreError> {
        let mut started = 0;
        for _ in 0..PAGES {
            let filter = UnknownFilter { route: Some(self.route.name.to_string()), after };
            let page = self.settler.ledger.oldest_unknown(filter, PAGE).await?;
            for (id, record) in page.records {
                if self.is_due(id, &record, page.now) {
                    started += 1;
                    self.start(id, record, page.now).await;
                }
            }
            after = page.next;
            if after.is_none() {
                break;
            }
        }
        Ok((after, started))
    }

    /// Tells whether a record is to be tried now, and counts the try.
    fn is_due(&mut self, id: RecordId, record: &Record, now: Timestamp) -> bool {
        let State::Unknown { n, quiet_at, .. } = record.state else { return false };
        let policy = record.policy.on_unknown;
        if policy == OnUnknown::Hold || !super::has_request(record) {
            return false;
        }
        // Executions of this operation, in whatever process, count as tries.
        let new =
            || Tries { count: n - n.min(1), next: Instant::now(), seen: Instant::now(), gave_up: false };
        let tries = self.tries.entry(id).or_insert_with(new);
        tries.seen = Instant::now();
        if now < quiet_at || tries.gave_up || tries.next > Instant::now() {
            return false;
        }
        let is_old = tries.count > 0 && now.since(record.created_at) > GIVES_UP_AFTER;
        let has_window = matches!(policy, OnUnknown::Retry { window: Some(_) });
        let is_spent = matches!(policy, OnUnknown::Retry { window: None }) && n >= MOST_EXECUTIONS;
        tries.gave_up = !record.may_be_settled(now) || (is_old && !has_window) || is_spent;
        if tries.gave_up {
            self.settler.metrics.settling_gave_up(&record.route, by(policy));
            warn!(
                record = %id, route = %record.route, execution = n,
                labels = record.labels.shown().map(tracing::field::display),
                "the outcome stays unknown: no evidence came in time, and an operator has to decide"
            );
            return false;
        }
        tries.count += 1;
        tries.next = Instant::now() + jittered(pause(&self.route.settling, tries.count, quiet_at, now));
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

/// Returns the pause after a try. "Not executed" is believed only some time after the deadline, so a try
/// comes then.
fn pause(settling: &Settling, count: u32, quiet_at: Timestamp, now: Timestamp) -> Duration {
    let [first, longest] = PAUSES;
    let pause = first.saturating_mul(1 << (count - 1).min(16)).min(longest);
    match settling {
        Settling::Probe(probe) if now < quiet_at.plus(probe.not_before) => {
            pause.min(quiet_at.plus(probe.not_before).since(now)).max(first)
        }
        _ => pause,
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
        Settlement::MayRunAgain => Some(Arc::new(record)),
        Settlement::Decided(decided) => matches!(decided.state, State::Cleared { .. }).then_some(decided),
        Settlement::Unknown | Settlement::Changed => None,
    };
    if let (Some(record), Some(request)) = (runs_again, request)
        && may_run_unasked(&record)
    {
        runner.run_again(id, record, request).await;
    }
}

/// Tells whether the gateway may run an operation again without a client. An upstream that takes requests and
/// forgets its keys, or that executes them late, must not get them without end.
fn may_run_unasked(record: &Record) -> bool {
    match record.policy.on_unknown {
        OnUnknown::Retry { window: Some(_) } | OnUnknown::Marker => true,
        OnUnknown::Retry { window: None } | OnUnknown::Probe | OnUnknown::Hold => {
            record.state.n() < MOST_EXECUTIONS
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tries_keep_their_permits_over_a_change_of_the_routes() {
        let mut permits = Permits::default();
        let tries: Vec<_> = (0..AT_ONCE)
            .map(|_| permits.of(&UpstreamName::new("a")).try_acquire_owned().expect("a permit"))
            .collect();
        permits.forget_unused();
        assert!(permits.of(&UpstreamName::new("a")).try_acquire_owned().is_err(), "all are taken");
        assert!(permits.of(&UpstreamName::new("b")).try_acquire_owned().is_ok(), "another upstream");
        drop(tries);
        permits.forget_unused();
        assert!(permits.0.is_empty());
    }

    #[test]
    fn pauses_double_up_to_the_longest() {
        let of = |count| pause(&Settling::Hold, count, Timestamp(0), Timestamp(0)).as_secs();
        assert_eq!([1, 2, 3, 9, 10, 60].map(of), [1, 2, 4, 256, 300, 300]);
    }
}
