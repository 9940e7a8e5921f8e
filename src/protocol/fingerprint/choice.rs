//! The members of a body that count, as JSON pointers (RFC 6901) name them.

use std::fmt;
use std::sync::{Arc, OnceLock};

use super::places::Places;

/// A choice among the members of a body.
#[derive(Clone)]
pub struct MemberChoice(Arc<Choice>);

struct Choice {
    pointers: Vec<String>,
    /// True if the pointers name the members that count, and false if they name those that do not.
    is_only: bool,
    /// True if the step `*` of a pointer means any member or element, and false if it is a name.
    has_wildcards: bool,
    /// The pointers as they are compared with a body, made at the first use.
    places: OnceLock<Places>,
}

impl MemberChoice {
    /// Chooses all members except those at `pointers`.
    #[must_use]
    pub fn except(pointers: Vec<String>, has_wildcards: bool) -> Self {
        Self::of(pointers, false, has_wildcards)
    }

    /// Chooses the members at `pointers` alone. Without a pointer, all members are chosen.
    #[must_use]
    pub fn only(pointers: Vec<String>, has_wildcards: bool) -> Self {
        let is_only = !pointers.is_empty();
        Self::of(pointers, is_only, has_wildcards)
    }

    fn of(pointers: Vec<String>, is_only: bool, has_wildcards: bool) -> Self {
        Self(Arc::new(Choice { pointers, is_only, has_wildcards, places: OnceLock::new() }))
    }

    /// Returns the pointers.
    #[must_use]
    pub fn pointers(&self) -> &[String] {
        &self.0.pointers
    }

    /// Tells whether the pointers name the members that count.
    #[must_use]
    pub fn is_only(&self) -> bool {
        self.0.is_only
    }

    /// Tells whether the step `*` of a pointer means any member or element.
    #[must_use]
    pub fn has_wildcards(&self) -> bool {
        self.0.has_wildcards
    }

    /// Returns the pointers if they name members that do not count, and no step is a wildcard. The first
    /// releases know no other choice.
    #[must_use]
    pub fn literal_exceptions(&self) -> Option<&[String]> {
        (!self.0.is_only && !self.0.has_wildcards).then_some(&*self.0.pointers)
    }

    pub(super) fn places(&self) -> &Places {
        self.0.places.get_or_init(|| Places::of(&self.0.pointers, self.0.is_only, self.0.has_wildcards))
    }
}

impl PartialEq for MemberChoice {
    fn eq(&self, other: &Self) -> bool {
        let parts = |choice: &Self| (choice.is_only(), choice.has_wildcards());
        Arc::ptr_eq(&self.0, &other.0) || (parts(self) == parts(other) && self.pointers() == other.pointers())
    }
}

impl Eq for MemberChoice {}

impl fmt::Debug for MemberChoice {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (name, wildcards) = (if self.is_only() { "Only" } else { "Except" }, self.has_wildcards());
        write!(f, "{name}({:?}, wildcards: {wildcards})", self.pointers())
    }
}
