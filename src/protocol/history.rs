//! The history of a record: the steps that its state alone does not show.
//!
//! A first execution that completes leaves no history, because the record's own times say everything. All
//! other steps that change the state add an [`Entry`]. No decision depends on the history.

use std::sync::Arc;

use crate::clock::Timestamp;

use super::Reason;

/// The history of a record, the oldest entry first. Cheap to clone.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct History(Option<Arc<Entries>>);

#[derive(Clone, Debug, Default, PartialEq, Eq)]
struct Entries {
    list: Vec<Entry>,
    left_out: u32,
}

/// One step in the history of a record.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Entry {
    /// Time of the step. `None` in the newest entry while no later step has been written: the record's
    /// `updated_at`, which the store stamps, is its time.
    pub at: Option<Timestamp>,
    /// Number of the execution.
    pub n: u32,
    /// The effect of the step.
    pub event: Event,
    /// Author of the step.
    pub by: By,
    /// The reason in an operator's words.
    pub note: Option<Arc<str>>,
}

/// The effect of a step.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Event {
    /// A later execution began.
    Claimed,
    /// The outcome became unknown.
    Unknown(Reason),
    /// The execution ended without a call that could act.
    Released,
    /// The response was stored, with this status.
    Completed(u16),
    /// Evidence decided the outcome.
    Settled {
        /// True if the operation was executed.
        executed: bool,
    },
    /// An operator decided the outcome.
    Resolved {
        /// True if the operation was executed.
        executed: bool,
        /// True if the call could still be under way when it was declared not executed.
        forced: bool,
    },
    /// An operator took a decision back.
    Reopened,
    /// An operator deleted the response.
    Deleted,
}

impl Event {
    /// Returns the event's name in the admin API.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Claimed => "claimed",
            Self::Unknown(_) => "unknown",
            Self::Released => "released",
            Self::Completed(_) => "completed",
            Self::Settled { .. } => "settled",
            Self::Resolved { .. } => "resolved",
            Self::Reopened => "reopened",
            Self::Deleted => "deleted",
        }
    }
}

/// Author of a step.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum By {
    /// A gateway, for an attempt or by the passing of time.
    Gateway,
    /// The probe of the route.
    Probe,
    /// The marker table of the route.
    Marker,
    /// The operator with this name.
    Operator(Arc<str>),
}

impl By {
    /// Returns the author's name in the admin API.
    #[must_use]
    pub fn name(&self) -> &str {
        match self {
            Self::Gateway => "gateway",
            Self::Probe => "probe",
            Self::Marker => "marker",
            Self::Operator(name) => name,
        }
    }
}

/// The name and the reason that an operator signs a step with.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Signature {
    /// Name of the operator.
    pub by: Arc<str>,
    /// The operator's reason, if the step asks for one.
    pub note: Option<Arc<str>>,
}

impl History {
    /// Largest number of entries. The first [`History::FIRST`] and the newest ones are kept.
    pub const MAX: usize = 32;
    /// Number of entries at the beginning that are never left out.
    pub const FIRST: usize = 4;

    /// Returns the history with these entries, of which `left_out` are missing after the first ones. Entries
    /// beyond [`History::MAX`] are left out too.
    #[must_use]
    pub fn of(list: Vec<Entry>, left_out: u32) -> Self {
        let entries = Entries { list: Vec::with_capacity(list.len()), left_out };
        let bounded = list.into_iter().fold(entries, Entries::with);
        Self((!bounded.list.is_empty()).then(|| Arc::new(bounded)))
    }

    /// Returns the entries, the oldest first.
    #[must_use]
    pub fn entries(&self) -> &[Entry] {
        self.0.as_ref().map_or(&[], |entries| &entries.list)
    }

    /// Returns the number of entries that were left out after the first [`History::FIRST`].
    #[must_use]
    pub fn left_out(&self) -> u32 {
        self.0.as_ref().map_or(0, |entries| entries.left_out)
    }

    /// Returns the history as of the next write: the newest entry gets the time `at`, if it has none.
    #[must_use]
    pub(super) fn dated(&self, at: Timestamp) -> Self {
        match &self.0 {
            Some(entries) if entries.list.last().is_some_and(|newest| newest.at.is_none()) => {
                let mut entries = Entries::clone(entries);
                if let Some(newest) = entries.list.last_mut() {
                    newest.at = Some(at);
                }
                Self(Some(Arc::new(entries)))
            }
            _ => self.clone(),
        }
    }

    /// Returns the history with one more entry.
    #[must_use]
    pub(super) fn with(&self, entry: Entry) -> Self {
        let entries = self.0.as_deref().cloned().unwrap_or_default();
        Self(Some(Arc::new(entries.with(entry))))
    }
}

impl Entries {
    fn with(mut self, entry: Entry) -> Self {
        if self.list.len() >= History::MAX {
            self.list.remove(History::FIRST);
            self.left_out = self.left_out.saturating_add(1);
        }
        self.list.push(entry);
        self
    }
}
