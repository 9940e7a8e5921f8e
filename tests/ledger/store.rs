//! A memory store behind a line that loses, delays and refuses steps, each kind of step on its own.

use std::collections::{BTreeMap, VecDeque};
use std::future::{Future, pending};
use std::pin::Pin;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use bytes::Bytes;
use oncegate::clock::Clock;
use oncegate::protocol::{Record, RecordId, Revision};
use oncegate::store::memory::MemoryStore;
use oncegate::store::{
    Change, Claimed, Document, DocumentName, Due, Durability, Filter, Page, Pending, Replaced, Snapshot,
    Stopped, Store, StoreError, Swap, Tally, UnknownFilter, UnknownPage,
};
use tokio::time::sleep;

/// A kind of step.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Step {
    Claim,
    Read,
    Renew,
    Complete,
    /// Lose and lapse, which are one step for the store.
    Lose,
    Release,
    /// Every step that follows from retention.
    Retire,
}

impl Step {
    pub const ALL: [Self; 7] =
        [Self::Claim, Self::Read, Self::Renew, Self::Complete, Self::Lose, Self::Release, Self::Retire];

    fn of(change: &Change) -> Self {
        match change {
            Change::Remove(_) => Self::Release,
            Change::Write(written) => match written.record.state.name() {
                "running" => Self::Renew,
                "completed" | "settled" => Self::Complete,
                "unknown" => Self::Lose,
                "cleared" => Self::Release,
                _ => Self::Retire,
            },
        }
    }
}

/// The fate of a step.
#[derive(Clone, Copy, Debug)]
pub enum Fault {
    /// No fault.
    Nothing,
    /// The step is not taken, and the store reports it.
    Refused,
    /// The step gets lost on the way to the store, and the line breaks.
    Lost,
    /// The step is taken, and its answer gets lost.
    Unanswered,
    /// The step is taken at once, and its answer comes after this time.
    AnsweredLate(Duration),
    /// The step is taken after this time, even if its caller no longer waits.
    Late(Duration),
    /// The step gets lost without a report.
    Silence,
}

/// The store, and the faults of the line to it.
pub struct FaultyStore {
    store: Arc<MemoryStore>,
    next: Mutex<BTreeMap<Step, VecDeque<Fault>>>,
    always: Mutex<BTreeMap<Step, Fault>>,
    claims: Arc<Load>,
    stopped: Mutex<Option<Stopped>>,
}

/// The number of steps under way.
#[derive(Default)]
struct Load {
    now: AtomicUsize,
    most: AtomicUsize,
}

impl FaultyStore {
    pub fn new(clock: Arc<dyn Clock>) -> Self {
        Self {
            store: Arc::new(MemoryStore::new(clock)),
            next: Mutex::default(),
            always: Mutex::default(),
            claims: Arc::default(),
            stopped: Mutex::default(),
        }
    }

    /// Gives the next steps of this kind these faults, one each.
    pub fn next(&self, step: Step, faults: &[Fault]) {
        self.next.lock().expect("no panic").entry(step).or_default().extend(faults);
    }

    /// Gives all steps of these kinds this fault, until [`Self::heal`].
    pub fn always(&self, steps: &[Step], fault: Fault) {
        self.always.lock().expect("no panic").extend(steps.iter().map(|step| (*step, fault)));
    }

    /// Ends all faults. Checks that each fault set with [`Self::next`] was used.
    pub fn heal(&self) {
        self.always.lock().expect("no panic").clear();
        assert!(
            self.next.lock().expect("no panic").values().all(VecDeque::is_empty),
            "faults that never came"
        );
    }

    /// Makes the store take no claims for this reason, and say so.
    pub fn stop(&self, reason: Option<Stopped>) {
        *self.stopped.lock().expect("no panic") = reason;
    }

    /// Reads the stored record without the line.
    pub fn snapshot(&self, id: RecordId) -> Snapshot {
        done(self.store.read(id)).expect("a memory store can be read")
    }

    /// Returns the highest number of claims that were under way at once.
    pub fn most_claims(&self) -> usize {
        self.claims.most.load(Ordering::SeqCst)
    }

    fn fault(&self, step: Step) -> Fault {
        let next = self.next.lock().expect("no panic").get_mut(&step).and_then(VecDeque::pop_front);
        let always = || self.always.lock().expect("no panic").get(&step).copied();
        next.or_else(always).unwrap_or(Fault::Nothing)
    }

    /// Sends a step over the line.
    fn send<T, F>(&self, step: Step, take: F) -> Pending<'_, T>
    where
        T: Send + 'static,
        F: FnOnce(&MemoryStore) -> Result<T, StoreError> + Send + 'static,
    {
        let (store, fault) = (Arc::clone(&self.store), self.fault(step));
        Box::pin(async move {
            match fault {
                Fault::Nothing => take(&store),
                Fault::Refused => Err(StoreError::Unavailable("refused".into())),
                Fault::Lost => Err(StoreError::Unclear("the line broke".into())),
                Fault::Unanswered => {
                    take(&store)?;
                    Err(StoreError::Unclear("the line broke after that".into()))
                }
                Fault::AnsweredLate(delay) => {
                    let taken = take(&store);
                    sleep(delay).await;
                    taken
                }
                Fault::Late(delay) => {
                    let taken = tokio::spawn(async move {
                        sleep(delay).await;
                        take(&store)
                    });
                    taken.await.expect("no panic")
                }
                Fault::Silence => pending().await,
            }
        })
    }
}

/// Returns the answer of a primitive of the memory store, which is ready when the call returns.
fn done<T>(mut pending: Pending<'_, T>) -> Result<T, StoreError> {
    let mut context = std::task::Context::from_waker(std::task::Waker::noop());
    match pending.as_mut().poll(&mut context) {
        std::task::Poll::Ready(answer) => answer,
        std::task::Poll::Pending => panic!("the memory store never waits"),
    }
}

impl Store for FaultyStore {
    fn claim(&self, id: RecordId, first: Record) -> Pending<'_, Claimed> {
        let claims = Arc::clone(&self.claims);
        let under_way = Counted::new(&claims);
        let claim = self.send(Step::Claim, move |store| done(store.claim(id, first)));
        Box::pin(async move {
            let claimed = claim.await;
            drop(under_way);
            claimed
        })
    }

    fn compare_and_set(&self, id: RecordId, expected: Revision, change: Change) -> Pending<'_, Swap> {
        self.send(Step::of(&change), move |store| done(store.compare_and_set(id, expected, change)))
    }

    fn read(&self, id: RecordId) -> Pending<'_, Snapshot> {
        self.send(Step::Read, move |store| done(store.read(id)))
    }

    fn page(&self, filter: Filter, limit: usize) -> Pending<'_, Page> {
        self.store.page(filter, limit)
    }

    fn oldest_unknown(&self, filter: UnknownFilter, limit: usize) -> Pending<'_, UnknownPage> {
        self.store.oldest_unknown(filter, limit)
    }

    fn tally(&self) -> Pending<'_, Tally> {
        self.store.tally()
    }

    fn due(&self, limit: usize) -> Pending<'_, Due> {
        self.store.due(limit)
    }

    fn document(&self, name: DocumentName) -> Pending<'_, Document> {
        self.store.document(name)
    }

    fn replace_document(
        &self,
        name: DocumentName,
        expected: Option<Bytes>,
        document: Bytes,
    ) -> Pending<'_, Replaced> {
        self.store.replace_document(name, expected, document)
    }

    fn stopped(&self) -> Option<Stopped> {
        *self.stopped.lock().expect("no panic")
    }

    fn ready(&self) -> Pending<'_, ()> {
        self.store.ready()
    }

    fn broken(&self) -> Pin<Box<dyn Future<Output = String> + Send + '_>> {
        self.store.broken()
    }

    fn durability(&self) -> Durability {
        self.store.durability()
    }
}

/// Counts a step as under way until it is dropped.
struct Counted(Arc<Load>);

impl Counted {
    fn new(load: &Arc<Load>) -> Self {
        let now = load.now.fetch_add(1, Ordering::SeqCst) + 1;
        load.most.fetch_max(now, Ordering::SeqCst);
        Self(Arc::clone(load))
    }
}

impl Drop for Counted {
    fn drop(&mut self) {
        self.0.now.fetch_sub(1, Ordering::SeqCst);
    }
}
