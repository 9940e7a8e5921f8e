//! The acceptor of a listener. It accepts connections at once, so that their party is known, and serves
//! them when there is a free slot.

use std::collections::{HashMap, VecDeque};
use std::io;
use std::net::{SocketAddr, TcpStream};
use std::sync::Arc;
use std::time::Duration;

use tokio::net::TcpListener;
use tokio::select;
use tokio::time::{Instant, MissedTickBehavior, interval, sleep};
use tracing::{debug, warn};

use crate::shares::Party;
use crate::stop::Stop;
use crate::telemetry::Limited;

use super::slots::{Slot, Slots};

/// The pause after the system refused a connection (no file descriptors left, for example).
const ACCEPT_RETRY_PAUSE: Duration = Duration::from_millis(50);
/// Interval at which waiting connections ask again that others leave.
const ROOM_RETRY_INTERVAL: Duration = Duration::from_millis(100);
/// Time for which free slots are kept from the party with the most connections, after other parties had
/// to ask for one.
const CONTEST_PERIOD: Duration = Duration::from_secs(1);
/// Limit on the log lines about refused connections, of which there may be twenty a second.
static ACCEPT_WARNINGS: Limited = Limited::new(5, Duration::from_secs(60));

/// Maximum number of connections accepted once the drain begins. Without a limit, clients that go on
/// connecting could keep the listener open. The system's queue holds fewer connections than this.
const MAX_ACCEPTED_IN_DRAIN: usize = 4096;

/// An accepted connection that is not yet registered where it is served.
struct WaitingConnection {
    stream: TcpStream,
    peer: SocketAddr,
    party: Party,
}

/// The acceptor of one listener: the connections that have no slot yet, and the function that serves a
/// connection with a slot.
pub(super) struct Acceptor<B> {
    slots: Arc<Slots>,
    waiting: VecDeque<WaitingConnection>,
    max_waiting: usize,
    /// End of the time in which no free slot is given to the party with the most connections.
    contested_until: Option<Instant>,
    begin: B,
}

impl<B: Fn(TcpStream, SocketAddr, Slot)> Acceptor<B> {
    pub(super) fn new(slots: Arc<Slots>, max_waiting: usize, begin: B) -> Self {
        Self { slots, waiting: VecDeque::new(), max_waiting, contested_until: None, begin }
    }

    /// Accepts and serves connections until the drain begins.
    pub(super) async fn accept_until_drain(&mut self, listener: &TcpListener, stop: &Stop) {
        let slots = Arc::clone(&self.slots);
        let mut again = interval(ROOM_RETRY_INTERVAL);
        again.set_missed_tick_behavior(MissedTickBehavior::Delay);
        loop {
            select! {
                biased;
                () = stop.drain() => return,
                () = slots.freed() => { self.serve_waiting(); }
                _ = again.tick(), if !self.waiting.is_empty() => self.retry_making_room(),
                connection = accept(listener) => self.enqueue(connection),
            }
        }
    }

    /// Serves the waiting connections, then accepts the connections in the system's queue, and closes
    /// the listener. When a connection is reset in that queue, its client cannot know that its request
    /// was never read.
    pub(super) async fn accept_remaining(mut self, listener: TcpListener, stop: &Stop) -> io::Result<()> {
        // The runtime learns of a queued connection after a while, the system at once.
        let listener = listener.into_std()?;
        for _ in 0..MAX_ACCEPTED_IN_DRAIN {
            let connection = match self.waiting.pop_front() {
                Some(connection) => connection,
                None => match listener.accept() {
                    Ok((stream, peer)) => {
                        stream.set_nonblocking(true)?;
                        WaitingConnection::new(stream, peer)
                    }
                    Err(error) if error.kind() == io::ErrorKind::WouldBlock => break,
                    Err(error) => return Err(error),
                },
            };
            let slot = select! {
                slot = self.wait_for_slot(connection.party) => slot,
                () = stop.cut() => return Ok(()),
            };
            (self.begin)(connection.stream, connection.peer, slot);
        }
        Ok(())
    }

    async fn wait_for_slot(&self, party: Party) -> Slot {
        loop {
            if let Some(slot) = self.slots.take(party) {
                return slot;
            }
            self.slots.freed().await;
        }
    }

    fn enqueue(&mut self, connection: WaitingConnection) {
        let party = connection.party;
        let ahead = self.waiting_count(party);
        self.waiting.push_back(connection);
        if !self.serve_waiting() && self.slots.make_room(party, ahead, 0) {
            self.contest();
        }
        if self.waiting.len() > self.max_waiting {
            self.close_excess();
        }
    }

    /// Asks again for room for the waiting connections. A connection that was told to leave may take a
    /// while, and a connection that could not end at once may now be able to.
    fn retry_making_room(&mut self) {
        if self.serve_waiting() {
            return;
        }
        let mut ahead = HashMap::<Party, usize>::new();
        let mut any_told = false;
        for WaitingConnection { party, .. } in &self.waiting {
            let ahead = ahead.entry(*party).or_default();
            any_told |= self.slots.make_room(*party, *ahead, self.waiting.len());
            *ahead += 1;
        }
        if any_told {
            self.contest();
        }
    }

    fn contest(&mut self) {
        self.contested_until = Some(Instant::now() + CONTEST_PERIOD);
    }

    /// Returns the party that gets no slot at the moment.
    fn deferred_party(&self) -> Option<Party> {
        self.contested_until.filter(|until| Instant::now() < *until).and_then(|_| self.slots.largest())
    }

    /// Serves waiting connections while there are free slots, those of the smallest party first. Returns
    /// true if none waits any more.
    fn serve_waiting(&mut self) -> bool {
        while let Some(next) = self.next_to_serve() {
            let Some(slot) = self.slots.take(self.waiting[next].party) else { return false };
            if self.deferred_party().is_some() {
                // Parties other than the largest open and close connections, and will do so again.
                self.contest();
            }
            if let Some(WaitingConnection { stream, peer, .. }) = self.waiting.remove(next) {
                (self.begin)(stream, peer, slot);
            }
        }
        self.waiting.is_empty()
    }

    /// Returns the index of the first waiting connection of the party with the fewest connections.
    fn next_to_serve(&self) -> Option<usize> {
        if self.waiting.is_empty() {
            return None;
        }
        let deferred_party = self.deferred_party();
        let all = (0..self.waiting.len()).filter(|at| Some(self.waiting[*at].party) != deferred_party);
        all.min_by_key(|at| self.slots.count(self.waiting[*at].party))
    }

    /// Closes the last waiting connection of the party with the most connections.
    fn close_excess(&mut self) {
        let all = |at: &usize| {
            let party = self.waiting[*at].party;
            self.slots.count(party) + self.waiting_count(party)
        };
        let closed = (0..self.waiting.len()).max_by_key(all).and_then(|at| self.waiting.remove(at));
        if let Some(WaitingConnection { peer, .. }) = closed {
            debug!(%peer, "closed a connection: too many wait, and its party has the most");
        }
    }

    fn waiting_count(&self, party: Party) -> usize {
        self.waiting.iter().filter(|connection| connection.party == party).count()
    }
}

impl WaitingConnection {
    fn new(stream: TcpStream, peer: SocketAddr) -> Self {
        // Without this, small responses would wait for the client's delayed acknowledgement.
        if let Err(error) = stream.set_nodelay(true) {
            debug!(%peer, "no TCP_NODELAY: {error}");
        }
        Self { stream, peer, party: peer.ip().into() }
    }
}

/// Waits for the next connection.
async fn accept(listener: &TcpListener) -> WaitingConnection {
    loop {
        let accepted = listener.accept().await.and_then(|(stream, peer)| Ok((stream.into_std()?, peer)));
        match accepted {
            Ok((stream, peer)) => return WaitingConnection::new(stream, peer),
            Err(error) => {
                if let Some(held_back) = ACCEPT_WARNINGS.ask() {
                    warn!(held_back, "cannot accept a connection: {error}");
                }
                sleep(ACCEPT_RETRY_PAUSE).await;
            }
        }
    }
}
