//! What every kind of store says of itself before it is opened, so that the rest of the gateway needs no list
//! of the kinds.
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

/// What opening a store, or looking at one, returns.
pub type Opening<'a, T> = Pin<Box<dyn Future<Output = Result<T, OpenError>> + Send + 'a>>;

/// Returns the longest ttl of the routes that are in use.
pub type LongestTtl = Arc<dyn Fn() -> Duration + Send + Sync>;

/// The settings of one store. `Display` shows the URL without credentials.
pub trait StoreSettings: Any + fmt::Debug + fmt::Display + Send + Sync {
    /// Opens the store.
    ///
    /// # Errors
    /// [`OpenError`] where records cannot be kept there, now or ever.
    fn open(&self, terms: Terms) -> Opening<'_, Arc<dyn Store>>;

    /// Looks at the store as a start would, and changes nothing there.
    ///
    /// # Errors
    /// [`OpenError`] where a start would fail.
    fn look(&self, terms: Terms) -> Opening<'_, Look>;

    /// The key and value that an error of opening is about.
    fn key(&self) -> String {
        format!("store.url = {self}")
    }

    /// The place of the store, with what else tells it from others.
    fn description(&self) -> String {
        self.to_string()
    }

    /// The place of the store as the rest of the machine knows it.
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

    /// The clock that stamps the records.
    fn clock(&self) -> ClockSource;

    /// Returns how many of `limit` descriptors the store may need.
    fn descriptors(&self, limit: usize) -> usize;

    /// What has happened to a claim or a response when the store acknowledges it.
    fn acknowledged(&self) -> &'static str;

    /// What the store may lose and when, and what narrows that: a crash, a failover, and what else can happen
    /// to this kind.
    fn losses(&self) -> Vec<Loss>;

    /// What is valid in the settings but probably not meant.
    fn warning(&self) -> Option<String> {
        None
    }

    /// The statements that make the tables, for operators who apply them by hand; `None` for a store without
    /// tables.
    fn tables(&self) -> Option<String> {
        None
    }
}

impl dyn StoreSettings {
    /// The settings as those of one kind, if they are of that kind.
    #[must_use]
    pub fn of_kind<S: StoreSettings>(&self) -> Option<&S> {
        (self as &dyn Any).downcast_ref()
    }
}

/// What the gateway asks of any store, beside the store's own settings.
#[derive(Clone)]
pub struct Terms {
    /// The longest wait for one answer.
    pub timeout: Duration,
    /// The threads that ask. A store on a server may give each a connection of its own.
    pub workers: Workers,
    /// How long claims are refused after a loss.
    pub longest_ttl: LongestTtl,
    /// The most that one response takes, head and body, in bytes.
    pub largest_response: u64,
    /// How far the clock may jump; `None` without a route.
    pub clock: Option<ClockLimits>,
}

impl Terms {
    /// The terms of a single caller: one thread, a day as the longest ttl, responses of 1.25 MiB.
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
}

/// What a look at a store found.
#[derive(Clone, Debug)]
pub struct Look {
    /// What is there.
    pub answer: &'static str,
    /// How operations are named there; `None` where nothing can tell.
    pub names: Option<Document>,
    /// What a crash of the server would lose, as sentences.
    pub risks: Vec<String>,
}

/// Something that may happen to a store, and what the store loses then.
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
