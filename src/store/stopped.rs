//! Reasons why no execution may begin although the store answers. Stored records are still answered.

use std::fmt;

/// A reason to take no claims.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Stopped {
    /// The store's clock has jumped so far that the records that prevent a rerun would be forgotten.
    Clock,
    /// The store has room only for the outcomes of running executions.
    Full,
    /// The store has lost records, or may have.
    LostData,
    /// The operator named a time before which no execution begins.
    NotBefore,
}

impl Stopped {
    /// Every reason.
    pub const ALL: [Self; 4] = [Self::Clock, Self::Full, Self::LostData, Self::NotBefore];

    /// Returns the reason in one word, as in `/readyz` and the metric.
    #[must_use]
    pub fn word(self) -> &'static str {
        match self {
            Self::Clock => "clock",
            Self::Full => "full",
            Self::LostData => "lost-data",
            Self::NotBefore => "not-before",
        }
    }

    /// Tells whether the store refuses the claims itself. Such a store may still take claims elsewhere, on
    /// another node of a cluster, and is the first to know when it can take all of them again.
    pub(super) fn is_refused_by_store(self) -> bool {
        matches!(self, Self::Full | Self::LostData)
    }
}

impl fmt::Display for Stopped {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Clock => {
                "the clock is further ahead than what is kept lasts: set it right and start again, or, if it is \
                 right, accept it with `POST /v1/accept-clock` on the admin listener or at a start with \
                 --accept-clock"
            }
            Self::Full => "the store is full, except for the outcomes of running executions",
            Self::LostData => "the store has lost records, or may have",
            Self::NotBefore => "the time that `--not-before` names has not come",
        })
    }
}
