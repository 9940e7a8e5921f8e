//! Why no execution may begin though the store answers. What is stored is answered all the same.

use std::fmt;

/// A reason to take no claims.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Stopped {
    /// The store's clock has jumped so far that what protects from a rerun would be forgotten.
    Clock,
    /// The store has room only for the outcomes of what runs already.
    Full,
    /// The store has lost records, or may have.
    LostData,
    /// The operator named a time before which nothing begins.
    NotBefore,
}

impl Stopped {
    /// All reasons.
    pub const ALL: [Self; 4] = [Self::Clock, Self::Full, Self::LostData, Self::NotBefore];

    /// The reason in one word, as `/readyz` and the metric name it.
    #[must_use]
    pub fn word(self) -> &'static str {
        match self {
            Self::Clock => "clock",
            Self::Full => "full",
            Self::LostData => "lost-data",
            Self::NotBefore => "not-before",
        }
    }

    /// Whether the store refuses the claims itself. It then may still take those that lie elsewhere, on
    /// another node of a cluster, and is the first to know that it can take some again.
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
            Self::Full => "the store is full but for the outcomes of what runs already",
            Self::LostData => "the store has lost records, or may have",
            Self::NotBefore => "the time that `--not-before` names has not come",
        })
    }
}
