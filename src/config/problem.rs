//! Collecting what is wrong, so that one run tells everything.

use std::cell::RefCell;

use super::document::{Document, KeyPath, Step};
use super::error::{ConfigError, ConfigErrors, Place};

/// The mistakes found so far.
#[derive(Default)]
pub(super) struct Problems(RefCell<Vec<Problem>>);

struct Problem {
    path: KeyPath,
    message: String,
    /// Set where the place is not that of the key.
    place: Option<Place>,
}

impl Problems {
    /// How many mistakes are reported at most: enough to mend a file, too few to read twice.
    pub const MOST: usize = 50;

    /// Notes a mistake at a key.
    pub fn add(&self, path: KeyPath, message: impl Into<String>) {
        self.push(Problem { path, message: message.into(), place: None });
    }

    /// Notes a mistake in something that is not a value of the document.
    pub fn add_elsewhere(&self, place: Place, message: impl Into<String>) {
        let path = KeyPath::default();
        self.push(Problem { path, message: message.into(), place: Some(place) });
    }

    fn push(&self, problem: Problem) {
        let mut problems = self.0.borrow_mut();
        if problems.len() < Self::MOST {
            problems.push(problem);
        }
    }

    /// Whether nothing is wrong.
    pub fn is_empty(&self) -> bool {
        self.0.borrow().is_empty()
    }

    /// The keys with mistakes.
    pub fn paths(&self) -> Vec<KeyPath> {
        self.0.borrow().iter().map(|problem| problem.path.clone()).collect()
    }

    /// The start of reading a document.
    pub fn at_root(&self) -> At<'_> {
        At { problems: self, path: KeyPath::default() }
    }

    /// The mistakes with their places in `document`.
    pub fn into_errors(self, document: &Document<'_>) -> ConfigErrors {
        let located = |problem: Problem| ConfigError {
            place: problem.place.unwrap_or_else(|| document.locate(&problem.path)),
            key: document.describe(&problem.path),
            message: problem.message,
        };
        ConfigErrors::new(self.0.into_inner().into_iter().map(located).collect())
    }
}

/// A place in the document that is being checked.
#[derive(Clone)]
pub(super) struct At<'p> {
    problems: &'p Problems,
    path: KeyPath,
}

impl At<'_> {
    /// The value under a key of this table.
    pub fn key(&self, key: &str) -> Self {
        Self { problems: self.problems, path: self.path.then(Step::Key(key.to_owned())) }
    }

    /// An item of this array.
    pub fn item(&self, index: usize) -> Self {
        Self { problems: self.problems, path: self.path.then(Step::Index(index)) }
    }

    /// Says what is wrong here. There is no value then, whatever its type would have been.
    pub fn refuse<T>(&self, message: impl Into<String>) -> Option<T> {
        self.problems.add(self.path.clone(), message);
        None
    }

    /// A value that must be there. One that was refused before, and so looks absent, is not
    /// reported a second time.
    pub fn require<'v, T: ?Sized>(&self, value: Option<&'v T>, what: &str) -> Option<&'v T> {
        let refused = || self.problems.0.borrow().iter().any(|problem| problem.path == self.path);
        if value.is_none() && !refused() {
            return self.refuse(format!("is missing: {what}"));
        }
        value
    }
}
