//! The questions that every kind of store answers before it is opened, so that the rest of the gateway needs
//! no list of the kinds.
//!
//! Each store's folder has one type `Settings`. The configuration builds it from the file, and nothing
//! translates it on the way to the store. What the gateway asks of any store travels beside it, in [`Terms`].

use std::any::Any;
use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use crate::workers::Workers;

use super::{ClockLimits, Document, OpenError, Store};

/// Future of opening a store or checking one.
pub type Opening<'a, T> = Pin<Box<dyn Future<Output = Result<T, OpenError>> + Send + 'a>>;

/// A function that returns the longest ttl of the routes in use.
pub type LongestTtl = Arc<dyn Fn() -> Duration + Send + Sync>;

/// The settings of one store. `Display` shows the URL without credentials.
pub trait StoreSettings: Any + fmt::Debug + fmt::Display + Send + Sync {
    /// Opens the store.
    ///
    /// # Errors
    /// [`OpenError`] where records cannot be kept there, now or ever.
    fn open(&self, terms: Terms) -> Opening<'_, Arc<dyn Store>>;

    /// Checks the store as a start would, and changes nothing there.
    ///
    /// # Errors
    /// [`OpenError`] where a start would fail.
    fn check_connection(&self, terms: Terms) -> Opening<'_, ConnectionCheck>;

    /// Returns the key and value that an error of opening is about.
    fn key(&self) -> String {
        format!("store.url = {self}")
    }

    /// Returns the place of the store, with what else tells it from others.
    fn description(&self) -> String {
        self.to_string()
    }

    /// Returns the place of the store as the rest of the machine knows it.
    fn place(&self) -> String {
        self.to_string()
    }

    /// Tells whether the store is there before it is opened; `None` where only opening shows it.
    fn exists(&self) -> Option<bool> {
        None
    }

    /// Tells whether a look at the first records is cheap.
    fn lists_cheaply(&self) -> bool {
        true
    }

    /// Returns the clock that stamps the records.
    fn clock(&self) -> ClockSource;

    /// Returns how many of `limit` descriptors the store may need.
    fn descriptors(&self, limit: usize) -> usize;

    /// Says what has happened to a claim or a response when the store acknowledges it.
    fn acknowledged(&self) -> &'static str;

    /// Lists what the store may lose and when, and what narrows that: a crash, a failover, and what else can
    /// happen to this kind.
    fn losses(&self) -> Vec<Loss>;

    /// Warns of settings that are valid but probably not meant.
    fn warning(&self) -> Option<String> {
        None
    }

    /// Returns the statements that make the tables, for operators who apply them by hand; `None` for a store
    /// without tables.
    fn tables(&self) -> Option<String> {
        None
    }
}

impl dyn StoreSettings {
    /// Returns the settings as those of one kind, if they are of that kind.
    #[must_use]
    pub fn of_kind<S: StoreSettings>(&self) -> Option<&S> {
        (self as &dyn Any).downcast_ref()
    }
}

/// Requirements of the gateway that are the same for any store (beside its own settings).
#[derive(Clone)]
pub struct Terms {
    /// The longest wait for one answer.
    pub timeout: Duration,
    /// The threads that ask. A store on a server may give each a connection of its own.
    pub workers: Workers,
    /// Time for which claims are refused after a loss.
    pub longest_ttl: LongestTtl,
    /// The most that one response takes, head and body, in bytes.
    pub largest_response: u64,
    /// Limits of the clock's jumps; `None` without a route.
    pub clock: Option<ClockLimits>,
}

impl Terms {
    /// Returns the terms of a single caller: one thread, a day as the longest ttl, responses of 1.25 MiB.
    #[must_use]
    pub fn new(timeout: Duration) -> Self {
        Self {
            timeout,
            workers: Workers::default(),
            longest_ttl: Arc::new(|| Duration::from_hours(24)),
            largest_response: 1280 * 1024,
            clock: None,
        }
    }

    /// Returns the time that one step on a server may take. It is shorter than the time that callers of the
    /// store wait: the step is given up in its session, where that counts against the connection.
    #[cfg(any(feature = "redis", feature = "postgres"))]
    pub(super) fn deadline(&self) -> Duration {
        self.timeout * 9 / 10
    }
}

/// The result of a check of a store.
#[derive(Clone, Debug)]
pub struct ConnectionCheck {
    /// State of the store, for people.
    pub answer: &'static str,
    /// The document that says how operations are named there; `None` where the store does not tell.
    pub names: Option<Document>,
    /// Losses that a crash of the server would bring, as sentences.
    pub risks: Vec<String>,
}

/// An event that may happen to a store, and the loss that follows.
pub type Loss = (&'static str, String);

/// The clock by which a store stamps its records.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ClockSource {
    /// The process's own clock, which begins with the process and cannot jump.
    Process,
    /// The machine's clock at the start, and the process's own from there.
    Machine,
    /// The server's clock, which may jump at any time.
    Server,
}
