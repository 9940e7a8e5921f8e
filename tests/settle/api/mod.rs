//! A payment API that fails as the test tells it to: a real server with a ledger of all its charges.
//!
//! One request goes through the points of [`Point`] in their order. The plan of the request may pause it
//! between two of them, and may take its answer away. The API works on after the gateway has closed the
//! connection, as a real one does.

mod keys;
mod ledger;
mod marker;
mod plan;
mod server;

use std::collections::HashMap;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use bytes::Bytes;
use http::HeaderMap;
use tokio::sync::watch;
use tokio::time::{Instant, sleep, timeout};

pub use keys::Keys;
pub use ledger::{Effect, Ledger};
pub use marker::Marker;
pub use plan::{Act, Pause, Plan, Reply};

/// A request for a charge, as the API received it.
#[derive(Clone, Debug)]
pub struct Call {
    pub key: String,
    /// The value of `Idempotency-Execution`.
    pub execution: String,
    pub headers: HeaderMap,
    pub body: Bytes,
    pub at: Instant,
    /// Number of the request among those with the same key, from 1.
    pub number: usize,
    pub plan: Plan,
}

impl Call {
    /// Returns the number of the execution in its name.
    pub fn n(&self) -> u32 {
        let (_, n) = self.execution.rsplit_once(':').expect("the name of an execution");
        n.parse().expect("a number")
    }
}

/// The longest time that a wait for requests may take.
const PATIENCE: Duration = Duration::from_secs(60);

/// A step of the API on its way to an answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Point {
    /// The request was read. Nothing has begun.
    Received,
    /// The charge is written and not committed.
    Written,
    /// The charge is committed. No answer was sent.
    Committed,
    /// The answer was handed over, or the connection was given up.
    Done,
}

/// The way in which the API recognises a repeated request.
pub enum Protection {
    /// Each request is another charge.
    Absent,
    /// Keys of its own.
    Keys(Keys),
    /// A marker row in the transaction of each charge.
    Marker(Marker),
}

/// Chooses the plan of a request.
pub type Script = dyn Fn(&Call) -> Plan + Send + Sync;

/// A running API.
pub struct Api {
    pub address: SocketAddr,
    pub protection: Protection,
    ledger: Ledger,
    script: Box<Script>,
    /// Time until a search finds a charge.
    search_lag: Duration,
    /// A text that every response contains.
    response_text: String,
    calls: Mutex<Vec<Call>>,
    searches: Mutex<Vec<Search>>,
    points: watch::Sender<HashMap<Point, usize>>,
    gate: watch::Sender<bool>,
    /// False while searches get no answer.
    search_gate: watch::Sender<bool>,
}

/// A question of a probe.
#[derive(Clone, Debug)]
pub struct Search {
    pub key: String,
    pub headers: HeaderMap,
    pub at: Instant,
    /// True if the answer named a charge.
    pub found: bool,
}

impl Api {
    /// Starts an API that treats each request by the plan of `script`.
    pub async fn start(
        protection: Protection,
        script: impl Fn(&Call) -> Plan + Send + Sync + 'static,
    ) -> Arc<Self> {
        Self::with(protection, Duration::ZERO, "", script).await
    }

    /// Starts an API with a search that lags, and with a text in every response.
    pub async fn with(
        protection: Protection,
        search_lag: Duration,
        response_text: &str,
        script: impl Fn(&Call) -> Plan + Send + Sync + 'static,
    ) -> Arc<Self> {
        let listener = server::listener().await;
        let api = Arc::new(Self {
            address: listener.local_addr().expect("an address"),
            protection,
            ledger: Ledger::default(),
            script: Box::new(script),
            search_lag,
            response_text: response_text.to_owned(),
            calls: Mutex::default(),
            searches: Mutex::default(),
            points: watch::Sender::default(),
            gate: watch::Sender::new(false),
            search_gate: watch::Sender::new(true),
        });
        tokio::spawn(server::accept(Arc::clone(&api), listener));
        api
    }

    /// Returns every charge so far.
    pub async fn effects(&self) -> Vec<Effect> {
        match &self.protection {
            Protection::Marker(marker) => marker.effects().await,
            Protection::Absent | Protection::Keys(_) => self.ledger.effects(),
        }
    }

    /// Returns every charge of one key so far.
    pub async fn effects_of(&self, key: &str) -> Vec<Effect> {
        let mut effects = self.effects().await;
        effects.retain(|effect| effect.key == key);
        effects
    }

    /// Returns every request so far.
    pub fn calls(&self) -> Vec<Call> {
        self.calls.lock().expect("no panic while locked").clone()
    }

    /// Returns every question of a probe so far.
    pub fn searches(&self) -> Vec<Search> {
        self.searches.lock().expect("no panic while locked").clone()
    }

    /// Waits until `count` requests have come to a point.
    pub async fn reached(&self, point: Point, count: usize) {
        let there = |points: &HashMap<Point, usize>| points.get(&point).is_some_and(|seen| *seen >= count);
        let mut points = self.points.subscribe();
        let there = timeout(PATIENCE, points.wait_for(there)).await;
        there.unwrap_or_else(|_| panic!("{count} requests never came to {point:?}")).expect("the API lives");
    }

    /// Lets the requests go on that wait at [`Pause::Gate`], and every later one.
    pub fn open_gate(&self) {
        self.gate.send_replace(true);
    }

    /// Holds the answers to searches back.
    pub fn hold_searches(&self) {
        self.search_gate.send_replace(false);
    }

    /// Answers the searches that are held back, and every later one.
    pub fn answer_searches(&self) {
        self.search_gate.send_replace(true);
    }

    fn passes(&self, point: Point) {
        self.points.send_modify(|points| *points.entry(point).or_default() += 1);
    }

    async fn pause(&self, pause: Pause) {
        match pause {
            Pause::None => {}
            Pause::For(time) => sleep(time).await,
            Pause::Gate => drop(self.gate.subscribe().wait_for(|open| *open).await),
        }
    }
}
