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

use super::places::{Place, Places};

/// The pause after the system refused a connection (no file descriptors left, for example).
const ACCEPT_AGAIN: Duration = Duration::from_millis(50);
/// Interval at which waiting connections ask again that others leave.
const ASK_AGAIN: Duration = Duration::from_millis(100);
/// Time for which free slots are kept from the party with the most connections, after other parties had
/// to ask for one.
const CONTESTED: Duration = Duration::from_secs(1);
/// Limit on the log lines about refused connections, of which there may be twenty a second.
static NOT_ACCEPTED: Limited = Limited::new(5, Duration::from_secs(60));

/// Maximum number of connections accepted once the drain begins. Without a limit, clients that go on
/// connecting could keep the listener open. The system's queue holds fewer connections than this.
const MOST_AT_LAST: usize = 4096;

/// An accepted connection that is not yet registered where it is served.
struct Arrived {
    stream: TcpStream,
    peer: SocketAddr,
    party: Party,
}

/// The acceptor of one listener: the connections that have no slot yet, and the function that serves a
/// connection with a slot.
pub(super) struct Door<B> {
    places: Arc<Places>,
    waiting: VecDeque<Arrived>,
    most_waiting: usize,
    /// End of the time in which no free slot is given to the party with the most connections.
    contested_until: Option<Instant>,
    begin: B,
}

impl<B: Fn(TcpStream, SocketAddr, Place)> Door<B> {
    pub(super) fn new(places: Arc<Places>, most_waiting: usize, begin: B) -> Self {
        Self { places, waiting: VecDeque::new(), most_waiting, contested_until: None, begin }
    }

    /// Accepts and serves connections until the drain begins.
    pub(super) async fn accept_until_drain(&mut self, listener: &TcpListener, stop: &Stop) {
        let places = Arc::clone(&self.places);
        let mut again = interval(ASK_AGAIN);
        again.set_missed_tick_behavior(MissedTickBehavior::Delay);
        loop {
            select! {
                biased;
                () = stop.drain() => return,
                () = places.freed() => { self.serve_waiting(); }
                _ = again.tick(), if !self.waiting.is_empty() => self.ask_again(),
                arrived = accept(listener) => self.arrive(arrived),
            }
        }
    }

    /// Serves the waiting connections, then accepts the connections in the system's queue, and closes
    /// the listener. When a connection is reset in that queue, its client cannot know that its request
    /// was never read.
    pub(super) async fn accept_the_rest(mut self, listener: TcpListener, stop: &Stop) -> io::Result<()> {
        // The runtime learns of a queued connection after a while, the system at once.
        let listener = listener.into_std()?;
        for _ in 0..MOST_AT_LAST {
            let arrived = match self.waiting.pop_front() {
                Some(arrived) => arrived,
                None => match listener.accept() {
                    Ok((stream, peer)) => {
                        stream.set_nonblocking(true)?;
                        Arrived::new(stream, peer)
                    }
                    Err(error) if error.kind() == io::ErrorKind::WouldBlock => break,
                    Err(error) => return Err(error),
                },
            };
            let place = select! {
                place = self.place(arrived.party) => place,
                () = stop.cut() => return Ok(()),
            };
            (self.begin)(arrived.stream, arrived.peer, place);
        }
        Ok(())
    }

    async fn place(&self, party: Party) -> Place {
        loop {
            if let Some(place) = self.places.take(party) {
                return place;
            }
            self.places.freed().await;
        }
    }

    fn arrive(&mut self, arrived: Arrived) {
        let party = arrived.party;
        let ahead = self.waiting_of(party);
        self.waiting.push_back(arrived);
        if !self.serve_waiting() && self.places.make_room(party, ahead, 0) {
            self.contest();
        }
        if self.waiting.len() > self.most_waiting {
            self.close_one();
        }
    }

    /// Asks again for room for the waiting connections. A connection that was told to leave may take a
    /// while, and a connection that could not end at once may now be able to.
    fn ask_again(&mut self) {
        if self.serve_waiting() {
            return;
        }
        let mut ahead = HashMap::<Party, usize>::new();
        let mut told = false;
        for Arrived { party, .. } in &self.waiting {
            let ahead = ahead.entry(*party).or_default();
            told |= self.places.make_room(*party, *ahead, self.waiting.len());
            *ahead += 1;
        }
        if told {
            self.contest();
        }
    }

    fn contest(&mut self) {
        self.contested_until = Some(Instant::now() + CONTESTED);
    }

    /// Returns the party that gets no slot at the moment.
    fn put_off(&self) -> Option<Party> {
        self.contested_until.filter(|until| Instant::now() < *until).and_then(|_| self.places.largest())
    }

    /// Serves waiting connections while there are free slots, those of the smallest party first. Returns
    /// true if none waits any more.
    fn serve_waiting(&mut self) -> bool {
        while let Some(next) = self.fewest() {
            let Some(place) = self.places.take(self.waiting[next].party) else { return false };
            if self.put_off().is_some() {
                // Parties other than the largest open and close connections, and will do so again.
                self.contest();
            }
            if let Some(Arrived { stream, peer, .. }) = self.waiting.remove(next) {
                (self.begin)(stream, peer, place);
            }
        }
        self.waiting.is_empty()
    }

    /// Returns the index of the first waiting connection of the party with the fewest connections.
    fn fewest(&self) -> Option<usize> {
        if self.waiting.is_empty() {
            return None;
        }
        let put_off = self.put_off();
        let all = (0..self.waiting.len()).filter(|at| Some(self.waiting[*at].party) != put_off);
        all.min_by_key(|at| self.places.count(self.waiting[*at].party))
    }

    /// Closes the last waiting connection of the party with the most connections.
    fn close_one(&mut self) {
        let all = |at: &usize| {
            let party = self.waiting[*at].party;
            self.places.count(party) + self.waiting_of(party)
        };
        let closed = (0..self.waiting.len()).max_by_key(all).and_then(|at| self.waiting.remove(at));
        if let Some(Arrived { peer, .. }) = closed {
            debug!(%peer, "closed a connection: too many wait, and its party has the most");
        }
    }

    fn waiting_of(&self, party: Party) -> usize {
        self.waiting.iter().filter(|arrived| arrived.party == party).count()
    }
}

impl Arrived {
    fn new(stream: TcpStream, peer: SocketAddr) -> Self {
        // Without this, small responses would wait for the client's delayed acknowledgement.
        if let Err(error) = stream.set_nodelay(true) {
            debug!(%peer, "no TCP_NODELAY: {error}");
        }
        Self { stream, peer, party: peer.ip().into() }
    }
}

/// Waits for the next connection.
async fn accept(listener: &TcpListener) -> Arrived {
    loop {
        let accepted = listener.accept().await.and_then(|(stream, peer)| Ok((stream.into_std()?, peer)));
        match accepted {
            Ok((stream, peer)) => return Arrived::new(stream, peer),
            Err(error) => {
                if let Some(held_back) = NOT_ACCEPTED.ask() {
                    warn!(held_back, "cannot accept a connection: {error}");
                }
                sleep(ACCEPT_AGAIN).await;
            }
        }
    }
}
