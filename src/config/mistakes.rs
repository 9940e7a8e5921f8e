//! Collection of mistakes, so that one run reports all of them.

use std::cell::RefCell;

use super::document::{Document, KeyPath, Step};
use super::error::{ConfigError, ConfigErrors, Place};

/// The mistakes found so far.
#[derive(Default)]
pub(super) struct Mistakes(RefCell<Vec<Mistake>>);

struct Mistake {
    path: KeyPath,
    message: String,
    /// Set if the place is not that of the key.
    place: Option<Place>,
    /// True if the mistake is one of the file that the value names.
    is_of_file: bool,
}

impl Mistakes {
    /// Largest number of mistakes that are reported: enough to correct a file, and few enough to read.
    pub const MOST: usize = 50;

    /// Notes a mistake at a key.
    pub fn add(&self, path: KeyPath, message: impl Into<String>) {
        self.push(Mistake { path, message: message.into(), place: None, is_of_file: false });
    }

    /// Notes a mistake outside the values of the document.
    pub fn add_elsewhere(&self, place: Place, message: impl Into<String>) {
        let path = KeyPath::default();
        self.push(Mistake { path, message: message.into(), place: Some(place), is_of_file: false });
    }

    fn push(&self, mistake: Mistake) {
        let mut mistakes = self.0.borrow_mut();
        if mistakes.len() < Self::MOST {
            mistakes.push(mistake);
        }
    }

    /// Tells whether no mistake was found.
    pub fn is_empty(&self) -> bool {
        self.0.borrow().is_empty()
    }

    /// Returns the keys with mistakes.
    pub fn paths(&self) -> Vec<KeyPath> {
        self.0.borrow().iter().map(|mistake| mistake.path.clone()).collect()
    }

    /// Returns the root of the document, where reading starts.
    pub fn at_root(&self) -> KeyCursor<'_> {
        KeyCursor { mistakes: self, path: KeyPath::default() }
    }

    /// Returns the mistakes with their places in `document`.
    pub fn into_errors(self, document: &Document<'_>) -> ConfigErrors {
        let located = |mistake: Mistake| ConfigError {
            place: mistake.place.unwrap_or_else(|| document.locate(&mistake.path)),
            key: document.describe(&mistake.path),
            message: mistake.message,
            is_of_file: mistake.is_of_file,
        };
        ConfigErrors::new(self.0.into_inner().into_iter().map(located).collect())
    }
}

/// A place in the document that is being checked.
#[derive(Clone)]
pub(super) struct KeyCursor<'p> {
    mistakes: &'p Mistakes,
    path: KeyPath,
}

impl KeyCursor<'_> {
    /// Returns the place of the value under a key of this table.
    pub fn key(&self, key: &str) -> Self {
        Self { mistakes: self.mistakes, path: self.path.then(Step::Key(key.to_owned())) }
    }

    /// Returns the place of an item of this array.
    pub fn item(&self, index: usize) -> Self {
        Self { mistakes: self.mistakes, path: self.path.then(Step::Index(index)) }
    }

    /// Notes a mistake here. The result is `None` for any type, because there is no value then.
    pub fn refuse<T>(&self, message: impl Into<String>) -> Option<T> {
        self.mistakes.add(self.path.clone(), message);
        None
    }

    /// Notes that the file which the value names cannot be read or used. The file may become usable without a
    /// change of the value.
    pub fn refuse_file<T>(&self, message: impl Into<String>) -> Option<T> {
        let (path, message) = (self.path.clone(), message.into());
        self.mistakes.push(Mistake { path, message, place: None, is_of_file: true });
        None
    }

    /// Tells whether a mistake was noted here.
    pub fn is_refused(&self) -> bool {
        self.mistakes.0.borrow().iter().any(|mistake| mistake.path == self.path)
    }

    /// Requires a value. A value that was refused before looks absent, and is not reported a second time.
    pub fn require<'v, T: ?Sized>(&self, value: Option<&'v T>, what: &str) -> Option<&'v T> {
        if value.is_none() && !self.is_refused() {
            return self.refuse(format!("is missing: {what}"));
        }
        value
    }
}
