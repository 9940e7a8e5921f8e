//! One change between two configurations, and what it does.

/// A change, and its effect on keys in flight.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Effect {
    /// The part of the configuration, such as `route "charges"`.
    pub about: String,
    /// The change and its effect, without a full stop at the end.
    pub text: String,
    /// True if a retry may run again or unprotected, or may get a wrong outcome.
    pub is_dangerous: bool,
}

impl Effect {
    /// Returns an effect that lets no retry run again.
    pub(super) fn safe(about: impl Into<String>, text: impl Into<String>) -> Self {
        Self { about: about.into(), text: text.into(), is_dangerous: false }
    }

    /// Returns an effect that may let a retry run again or unprotected, or give it a wrong outcome.
    pub(super) fn dangerous(about: impl Into<String>, text: impl Into<String>) -> Self {
        Self { about: about.into(), text: text.into(), is_dangerous: true }
    }

    /// Returns an effect that is dangerous if `is_dangerous`.
    pub(super) fn of(is_dangerous: bool, about: impl Into<String>, text: impl Into<String>) -> Self {
        Self { about: about.into(), text: text.into(), is_dangerous }
    }
}
