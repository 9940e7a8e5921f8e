//! The flights of this process: executions under way, and the attempts that wait for them. Waiters are woken
//! instead of polling the store.
//!
//! The store alone decides which attempt runs. A flight only saves the other attempts from asking the store
//! again. An attempt joins the flight of its operation *before* it claims, so it cannot miss what the owner
//! publishes afterwards. An owner publishes for requests with its own fingerprint: a record can be forgotten
//! and made anew by another request with the same key while an attempt waits.

use std::collections::HashMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use foldhash::fast::RandomState;
use parking_lot::Mutex;
use tokio::sync::watch;

use crate::protocol::{Fingerprint, RecordId};

use super::conclusion::Conclusion;

/// The flights of one gateway.
#[derive(Clone, Default)]
pub(super) struct Flights(Arc<Mutex<HashMap<RecordId, Arc<Flight>, RandomState>>>);

struct Flight {
    phase: watch::Sender<Phase>,
    /// Number of executions that have led the flight. Only the latest may publish.
    leaders: AtomicU64,
}

/// The progress of a flight.
#[derive(Clone, Debug)]
pub(super) enum Phase {
    /// No execution of the operation in this process.
    Vacant,
    /// A running owner in this process, which will publish.
    Running,
    /// The outcome of an execution that is over, not yet taken by the store.
    Unwritten(Fingerprint, Arc<Conclusion>),
    /// The outcome of an execution that is over.
    Concluded(Fingerprint, Arc<Conclusion>),
}

/// The membership of one attempt in a flight. The flight is removed with its last member.
pub(super) struct Membership {
    flights: Flights,
    id: RecordId,
    flight: Arc<Flight>,
}

impl Flights {
    /// Joins the flight of the operation.
    pub(super) fn join(&self, id: RecordId) -> Membership {
        let mut flights = self.0.lock();
        let flight = flights.entry(id).or_insert_with(|| {
            Arc::new(Flight { phase: watch::Sender::new(Phase::Vacant), leaders: AtomicU64::new(0) })
        });
        Membership { flights: self.clone(), id, flight: Arc::clone(flight) }
    }
}

impl Flight {
    /// Sets the phase, and wakes the receivers if `change` says so. A flight without receivers, as most are,
    /// wakes none. A receiver that subscribes meanwhile looks at the phase after it has subscribed: the lock
    /// of the phase makes it see this change, or makes it counted here.
    fn set(&self, change: impl FnOnce(&mut Phase) -> bool) {
        self.phase.send_if_modified(|phase| change(phase) && self.phase.receiver_count() > 0);
    }
}

impl Membership {
    /// Takes the lead: from now on this execution publishes the outcome for requests with this fingerprint.
    /// An earlier leader no longer publishes.
    pub(super) fn lead(self, fingerprint: Fingerprint) -> Lead {
        let mut number = 0;
        self.flight.set(|phase| {
            number = self.flight.leaders.fetch_add(1, Ordering::Relaxed) + 1;
            *phase = Phase::Running;
            true
        });
        Lead { membership: self, fingerprint, number, published: false }
    }

    /// Tells whether the operation runs in this process.
    pub(super) fn is_running(&self) -> bool {
        matches!(&*self.flight.phase.borrow(), Phase::Running)
    }

    /// Tells whether this process knows more of the operation than its record does: the operation runs here,
    /// or its outcome waits to be written.
    pub(super) fn has_execution(&self) -> bool {
        matches!(&*self.flight.phase.borrow(), Phase::Running | Phase::Unwritten(..))
    }

    /// Returns the phase that was published last.
    pub(super) fn phase(&self) -> Phase {
        self.flight.phase.borrow().clone()
    }

    /// Returns a receiver of the current phase and of all later ones. Its user has to look at the current
    /// phase before it waits for a change.
    pub(super) fn watch(&self) -> watch::Receiver<Phase> {
        self.flight.phase.subscribe()
    }
}

impl Drop for Membership {
    fn drop(&mut self) {
        let mut flights = self.flights.0.lock();
        // Two references: the map's and this one's. Members only join under the same lock.
        let last = Arc::strong_count(&self.flight) == 2;
        let listed = flights.get(&self.id).is_some_and(|flight| Arc::ptr_eq(flight, &self.flight));
        if last && listed {
            flights.remove(&self.id);
        }
    }
}

/// The owner's membership. A lead dropped without a conclusion (a panic, or a record that moved on) sends the
/// waiters back to the store. A lead that another execution has replaced publishes nothing.
pub(super) struct Lead {
    membership: Membership,
    fingerprint: Fingerprint,
    number: u64,
    published: bool,
}

impl Lead {
    /// Wakes all waiters with a conclusion that the store has yet to take. Later attempts find it in the
    /// flight, because until it is written, the record says less than this process knows.
    pub(super) fn publish_unwritten(&self, conclusion: Arc<Conclusion>) {
        self.set_phase(Phase::Unwritten(self.fingerprint.clone(), conclusion));
    }

    /// Wakes all waiters with the conclusion. Later attempts ask the store.
    pub(super) fn publish(mut self, conclusion: Arc<Conclusion>) {
        self.published = true;
        self.unlist();
        self.set_phase(Phase::Concluded(self.fingerprint.clone(), conclusion));
    }

    fn set_phase(&self, next: Phase) {
        self.membership.flight.set(|phase| {
            let latest = self.is_latest();
            if latest {
                *phase = next;
            }
            latest
        });
    }

    fn is_latest(&self) -> bool {
        self.membership.flight.leaders.load(Ordering::Relaxed) == self.number
    }

    fn unlist(&self) {
        let mut flights = self.membership.flights.0.lock();
        if self.is_latest()
            && flights
                .get(&self.membership.id)
                .is_some_and(|flight| Arc::ptr_eq(flight, &self.membership.flight))
        {
            flights.remove(&self.membership.id);
        }
    }
}

impl Drop for Lead {
    fn drop(&mut self) {
        if !self.published {
            self.set_phase(Phase::Vacant);
        }
    }
}
