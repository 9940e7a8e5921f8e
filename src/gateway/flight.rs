//! Executions under way in this process, so that duplicates are woken instead of polling.
//!
//! The store alone decides who runs; a flight only spares the others the asking. An attempt joins
//! the flight of its operation *before* it claims, so whatever the owner publishes afterwards
//! cannot be missed. What is published is for requests like the owner's: a record can be gone and made anew
//! by another request with the same key while somebody waits.

use std::collections::HashMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use tokio::sync::watch;

use crate::protocol::{Fingerprint, RecordId};

use super::conclusion::Conclusion;

/// All flights of one gateway.
#[derive(Clone, Default)]
pub(super) struct Flights(Arc<Mutex<HashMap<RecordId, Arc<Flight>>>>);

struct Flight {
    phase: watch::Sender<Phase>,
    /// How many executions have led it: the last one speaks.
    leaders: AtomicU64,
}

/// How far a flight is.
#[derive(Clone, Debug)]
pub(super) enum Phase {
    /// Nobody in this process runs the operation.
    Vacant,
    /// An owner in this process does, and will publish.
    Running,
    /// The execution is over, and its outcome waits for the store to take it.
    Unwritten(Fingerprint, Arc<Conclusion>),
    /// It is over.
    Concluded(Fingerprint, Arc<Conclusion>),
}

/// A seat in a flight; the flight is forgotten with its last seat.
pub(super) struct Seat {
    flights: Flights,
    id: RecordId,
    flight: Arc<Flight>,
}

impl Flights {
    /// Takes a seat in the flight of the operation.
    pub(super) fn join(&self, id: RecordId) -> Seat {
        let mut flights = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let flight = flights.entry(id).or_insert_with(|| {
            Arc::new(Flight { phase: watch::Sender::new(Phase::Vacant), leaders: AtomicU64::new(0) })
        });
        Seat { flights: self.clone(), id, flight: Arc::clone(flight) }
    }
}

impl Seat {
    /// Becomes the one who publishes what comes of requests with this fingerprint; no earlier one does any more.
    pub(super) fn lead(self, fingerprint: Fingerprint) -> Lead {
        let mut number = 0;
        self.flight.phase.send_modify(|phase| {
            number = self.flight.leaders.fetch_add(1, Ordering::Relaxed) + 1;
            *phase = Phase::Running;
        });
        Lead { seat: self, fingerprint, number, published: false }
    }

    /// Whether the operation runs here.
    pub(super) fn is_running(&self) -> bool {
        matches!(&*self.flight.phase.borrow(), Phase::Running)
    }

    /// Whether this process knows more of the operation than its record: it runs here, or its outcome waits
    /// to be written.
    pub(super) fn is_held(&self) -> bool {
        matches!(&*self.flight.phase.borrow(), Phase::Running | Phase::Unwritten(..))
    }

    /// What was published here last.
    pub(super) fn phase(&self) -> Phase {
        self.flight.phase.borrow().clone()
    }

    /// What has been and will be published here.
    pub(super) fn watch(&self) -> watch::Receiver<Phase> {
        self.flight.phase.subscribe()
    }
}

impl Drop for Seat {
    fn drop(&mut self) {
        let mut flights = self.flights.0.lock().unwrap_or_else(PoisonError::into_inner);
        // Two references: the map's and this seat's. Seats are only made under the same lock.
        let last = Arc::strong_count(&self.flight) == 2;
        let listed = flights.get(&self.id).is_some_and(|flight| Arc::ptr_eq(flight, &self.flight));
        if last && listed {
            flights.remove(&self.id);
        }
    }
}

/// The owner's seat. Dropped without a conclusion (a panic, or a record that moved on), it sends the others
/// back to the store. What it says after another execution has taken the lead is not heard.
pub(super) struct Lead {
    seat: Seat,
    fingerprint: Fingerprint,
    number: u64,
    published: bool,
}

impl Lead {
    /// Wakes everybody with a conclusion that the store has yet to take. Attempts that come later find it
    /// here: until it is written, the record says less than this process knows.
    pub(super) fn publish_unwritten(&self, conclusion: Arc<Conclusion>) {
        self.say(Phase::Unwritten(self.fingerprint.clone(), conclusion));
    }

    /// Wakes everybody with the conclusion. Attempts that come later ask the store.
    pub(super) fn publish(mut self, conclusion: Arc<Conclusion>) {
        self.published = true;
        self.unlist();
        self.say(Phase::Concluded(self.fingerprint.clone(), conclusion));
    }

    fn say(&self, said: Phase) {
        self.seat.flight.phase.send_if_modified(|phase| {
            let leads = self.leads();
            if leads {
                *phase = said;
            }
            leads
        });
    }

    fn leads(&self) -> bool {
        self.seat.flight.leaders.load(Ordering::Relaxed) == self.number
    }

    fn unlist(&self) {
        let mut flights = self.seat.flights.0.lock().unwrap_or_else(PoisonError::into_inner);
        if self.leads()
            && flights.get(&self.seat.id).is_some_and(|flight| Arc::ptr_eq(flight, &self.seat.flight))
        {
            flights.remove(&self.seat.id);
        }
    }
}

impl Drop for Lead {
    fn drop(&mut self) {
        if !self.published {
            self.say(Phase::Vacant);
        }
    }
}
