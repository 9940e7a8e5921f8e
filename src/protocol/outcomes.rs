//! The meaning of the upstream's statuses for an operation, as a route lists them.

use std::fmt;

/// The meaning of a complete response of the upstream for the operation.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Meaning {
    /// An execution that ran to its end, successful or not. The response is kept.
    Completed,
    /// An upstream that did not act. The key is free again.
    Released,
    /// A status that does not say whether the upstream acted.
    Unknown,
}

/// An entry of a list of statuses: one status, or all statuses of a class.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Statuses {
    /// One status.
    One(u16),
    /// A class of statuses.
    Class(StatusClass),
}

/// A class of statuses that a list can name.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum StatusClass {
    /// The statuses of success, 200 to 299.
    Success,
    /// The statuses of a faulty request, 400 to 499.
    ClientError,
    /// The statuses of a failed server, 500 to 599.
    ServerError,
}

impl StatusClass {
    /// All classes.
    pub const ALL: [Self; 3] = [Self::Success, Self::ClientError, Self::ServerError];

    /// Returns the name of the class, as lists and pages show it.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Success => "2xx",
            Self::ClientError => "4xx",
            Self::ServerError => "5xx",
        }
    }

    /// Returns the class with this name.
    #[must_use]
    pub fn named(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|class| class.name() == name)
    }

    fn hundreds(self) -> u16 {
        match self {
            Self::Success => 2,
            Self::ClientError => 4,
            Self::ServerError => 5,
        }
    }
}

impl Statuses {
    /// Tells whether this entry names `status`, by itself or by its class.
    #[must_use]
    pub fn covers(self, status: u16) -> bool {
        match self {
            Self::One(one) => one == status,
            Self::Class(class) => status / 100 == class.hundreds(),
        }
    }
}

impl From<u16> for Statuses {
    fn from(status: u16) -> Self {
        Self::One(status)
    }
}

impl fmt::Display for Statuses {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::One(status) => status.fmt(f),
            Self::Class(class) => f.write_str(class.name()),
        }
    }
}

impl fmt::Debug for Statuses {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

/// The statuses that say that the upstream did not act, and those that leave it open. Any other status is
/// final.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Outcomes {
    release: Vec<Statuses>,
    unknown: Vec<Statuses>,
    about_keys: Vec<u16>,
}

impl Outcomes {
    /// Statuses with which upstreams, and the proxies in front of them, refuse without acting.
    pub const DEFAULT_RELEASE: [u16; 8] = [307, 308, 401, 403, 407, 421, 425, 429];
    /// Statuses that a mesh or balancer also sends after the upstream got the request.
    pub const DEFAULT_UNKNOWN: [u16; 4] = [408, 502, 503, 504];

    /// Statuses with which upstreams also speak about their own idempotency keys.
    pub const DEFAULT_ABOUT_KEYS: [u16; 8] = [400, 401, 403, 404, 409, 422, 425, 429];

    /// Checks the lists of releases and of unknown outcomes.
    ///
    /// # Errors
    /// Returns the entry that is not a final status (200 to 599), or that stands in both lists.
    pub fn new(release: Vec<Statuses>, unknown: Vec<Statuses>) -> Result<Self, Statuses> {
        let is_final = |entry: &Statuses| match entry {
            Statuses::One(status) => (200..600).contains(status),
            Statuses::Class(_) => true,
        };
        let misplaced = release.iter().chain(&unknown).find(|entry| !is_final(entry));
        let doubled = release.iter().find(|entry| unknown.contains(entry));
        match misplaced.or(doubled) {
            Some(entry) => Err(*entry),
            None => Ok(Self { release, unknown, about_keys: Self::DEFAULT_ABOUT_KEYS.to_vec() }),
        }
    }

    /// Returns the outcomes with other statuses that may be about the upstream's own key.
    #[must_use]
    pub fn with_about_keys(self, about_keys: Vec<u16>) -> Self {
        Self { about_keys, ..self }
    }

    /// Tells whether `status` may be the upstream's word about its own key, instead of the outcome of the
    /// operation. This matters for an execution that follows an undecided one with the same key.
    #[must_use]
    pub fn may_be_about_key(&self, status: u16) -> bool {
        self.about_keys.contains(&status)
    }

    /// Returns the meaning of `status`. An entry of its own counts before an entry of its class.
    #[must_use]
    pub fn meaning(&self, status: u16) -> Meaning {
        let one = Statuses::One(status);
        let covers = |entries: &[Statuses]| entries.iter().any(|entry| entry.covers(status));
        if self.release.contains(&one) {
            Meaning::Released
        } else if self.unknown.contains(&one) {
            Meaning::Unknown
        } else if covers(&self.release) {
            Meaning::Released
        } else if covers(&self.unknown) {
            Meaning::Unknown
        } else {
            Meaning::Completed
        }
    }

    /// Returns the statuses that mean "not executed".
    #[must_use]
    pub fn release(&self) -> &[Statuses] {
        &self.release
    }

    /// Returns the statuses that mean "cannot tell".
    #[must_use]
    pub fn unknown(&self) -> &[Statuses] {
        &self.unknown
    }
}

impl Default for Outcomes {
    fn default() -> Self {
        Self {
            release: Self::DEFAULT_RELEASE.map(Statuses::One).to_vec(),
            unknown: Self::DEFAULT_UNKNOWN.map(Statuses::One).to_vec(),
            about_keys: Self::DEFAULT_ABOUT_KEYS.to_vec(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::Meaning::{Completed, Released, Unknown};
    use super::Statuses::One;
    use super::*;

    const SUCCESS: Statuses = Statuses::Class(StatusClass::Success);
    const CLIENT: Statuses = Statuses::Class(StatusClass::ClientError);
    const SERVER: Statuses = Statuses::Class(StatusClass::ServerError);

    #[test]
    fn a_status_means_one_thing() {
        let outcomes = Outcomes::default();
        assert_eq!(outcomes.meaning(201), Completed);
        assert_eq!(outcomes.meaning(500), Completed);
        assert_eq!(outcomes.meaning(429), Released);
        assert_eq!(outcomes.meaning(503), Unknown);
        for twice in [503.into(), CLIENT] {
            assert_eq!(Outcomes::new(vec![400.into(), twice], vec![twice]), Err(twice));
        }
        assert_eq!(Outcomes::new(vec![101.into()], vec![]), Err(101.into()));
        assert_eq!(Outcomes::new(vec![], vec![600.into()]), Err(600.into()));
    }

    /// Releases, unknown outcomes, and the meaning of some statuses.
    type Case = (&'static [Statuses], &'static [Statuses], &'static [(u16, Meaning)]);

    #[test]
    fn a_status_of_its_own_counts_before_its_class() {
        let table: [Case; 6] = [
            (
                &[SERVER],
                &[One(503)],
                &[(500, Released), (503, Unknown), (599, Released), (499, Completed), (200, Completed)],
            ),
            (&[One(503)], &[SERVER], &[(500, Unknown), (503, Released), (504, Unknown)]),
            (&[CLIENT], &[SERVER], &[(400, Released), (499, Released), (500, Unknown), (303, Completed)]),
            (&[SUCCESS, CLIENT], &[One(202), One(408)], &[(200, Released), (202, Unknown), (408, Unknown)]),
            (&[One(204)], &[SUCCESS], &[(204, Released), (200, Unknown), (299, Unknown), (300, Completed)]),
            (&[], &[], &[(200, Completed), (307, Completed), (429, Completed), (503, Completed)]),
        ];
        for (release, unknown, meanings) in table {
            let outcomes = Outcomes::new(release.to_vec(), unknown.to_vec()).expect("no entry in both");
            for (status, meaning) in meanings {
                assert_eq!(outcomes.meaning(*status), *meaning, "{status} of {release:?}, {unknown:?}");
            }
        }
    }

    #[test]
    fn a_class_is_named_as_it_is_shown() {
        for class in StatusClass::ALL {
            assert_eq!(StatusClass::named(&Statuses::Class(class).to_string()), Some(class));
        }
        for name in ["1xx", "3xx", "5XX", "5", "500", "xxx", ""] {
            assert_eq!(StatusClass::named(name), None, "{name}");
        }
    }
}
