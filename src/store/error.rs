//! The errors of a store's primitives, with the causes that lead to them.

use std::error::Error;
use std::fmt;
use std::ops::Deref;
use std::sync::Arc;

use crate::protocol::RecordId;

/// A cause in words for operators, and the error that it describes, if there is one.
///
/// The words already say what the error says. The error is kept for a caller that looks for its type or its
/// own causes. Two causes are equal if their words are.
#[derive(Clone, Debug)]
pub struct Cause {
    text: String,
    source: Option<Arc<dyn Error + Send + Sync>>,
}

impl Cause {
    /// Describes `source` as `text`.
    pub fn of(text: impl Into<String>, source: impl Error + Send + Sync + 'static) -> Self {
        Self { text: text.into(), source: Some(Arc::new(source)) }
    }

    /// Returns the error that this describes, for [`Error::source`].
    pub(crate) fn source(&self) -> Option<&(dyn Error + 'static)> {
        self.source.as_deref().map(|source| source as _)
    }

    /// Returns the cause in other words.
    #[cfg(any(feature = "redis", feature = "postgres"))]
    pub(super) fn reworded(self, text: String) -> Self {
        Self { text, ..self }
    }

    /// Returns the cause with `what` in front of its words.
    #[cfg(any(feature = "redis", feature = "postgres"))]
    pub(super) fn about(self, what: impl fmt::Display) -> Self {
        Self { text: format!("{what}: {}", self.text), ..self }
    }
}

impl fmt::Display for Cause {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

impl Deref for Cause {
    type Target = str;

    fn deref(&self) -> &str {
        &self.text
    }
}

impl PartialEq for Cause {
    fn eq(&self, other: &Self) -> bool {
        self.text == other.text
    }
}

impl Eq for Cause {}

impl PartialEq<String> for Cause {
    fn eq(&self, other: &String) -> bool {
        self.text == *other
    }
}

impl From<String> for Cause {
    fn from(text: String) -> Self {
        Self { text, source: None }
    }
}

impl From<&str> for Cause {
    fn from(text: &str) -> Self {
        text.to_owned().into()
    }
}

/// The failure of a primitive. [`Error::source`] is the error of the server, the engine or the codec behind
/// it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum StoreError {
    /// The store did not take the command, so it wrote nothing.
    Unavailable(Cause),
    /// The store may or may not have written.
    Unclear(Cause),
    /// The store answers, but its data cannot be relied on now, so no execution may begin. It wrote nothing.
    Refused(Cause),
    /// The bytes stored under this id cannot be decoded.
    Unreadable {
        /// The record's id.
        id: RecordId,
        /// The reason.
        cause: Cause,
    },
}

impl StoreError {
    /// Returns the error that nothing was written, because of `cause`.
    #[cfg(any(feature = "embedded", feature = "redis", feature = "postgres"))]
    pub(super) fn unavailable(cause: impl Into<Cause>) -> Self {
        Self::Unavailable(cause.into())
    }

    /// Returns the error that it is unclear whether anything was written, because of `cause`.
    pub(super) fn unclear(cause: impl Into<Cause>) -> Self {
        Self::Unclear(cause.into())
    }

    /// Returns the error that no execution may begin, because of `cause`.
    pub(super) fn refused(cause: impl Into<Cause>) -> Self {
        Self::Refused(cause.into())
    }

    /// Converts the failure of a silent store to a refusal, where silence is no reason to go on without the
    /// store.
    pub(super) fn or_refused(self) -> Self {
        match self {
            Self::Unavailable(cause) | Self::Unclear(cause) => Self::Refused(cause),
            other => other,
        }
    }

    /// Converts the failure of a repeated step to an unclear one, because an earlier try may have been made.
    pub(super) fn or_unclear(self) -> Self {
        match self {
            Self::Unclear(cause) => Self::Unclear(cause),
            other => Self::Unclear(Cause::of(other.to_string(), other)),
        }
    }
}

impl fmt::Display for StoreError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Unavailable(cause) => write!(f, "the store is unavailable: {cause}"),
            Self::Refused(cause) => write!(f, "no execution may begin: {cause}"),
            Self::Unclear(cause) => write!(f, "the store may or may not have written: {cause}"),
            Self::Unreadable { id, cause } => write!(f, "record {id} cannot be decoded: {cause}"),
        }
    }
}

impl Error for StoreError {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        match self {
            Self::Unavailable(cause)
            | Self::Unclear(cause)
            | Self::Refused(cause)
            | Self::Unreadable { cause, .. } => cause.source(),
        }
    }
}

#[cfg(any(feature = "redis", feature = "postgres"))]
#[cfg(test)]
mod tests {
    use std::io;

    use super::*;
    use crate::store::OpenError;
    use crate::store::failure::Failure;

    fn full() -> Cause {
        Cause::of("writing failed: the disk is full", io::Error::from(io::ErrorKind::StorageFull))
    }

    fn is_full(error: &dyn Error) -> bool {
        let source = error.source().and_then(|source| source.downcast_ref::<io::Error>());
        source.is_some_and(|source| source.kind() == io::ErrorKind::StorageFull)
    }

    #[test]
    fn a_store_error_keeps_what_caused_it_on_the_way_up() {
        let failure = Failure::Unclear(full()).about("10.0.0.1");
        let text = "10.0.0.1: writing failed: the disk is full";
        let unclear = StoreError::from(failure.clone());
        assert!(is_full(&unclear) && is_full(&unclear.clone().or_refused()));
        assert_eq!(unclear.to_string(), format!("the store may or may not have written: {text}"));
        let unavailable = StoreError::from(failure.clone().of_a_read());
        assert!(is_full(&unavailable));
        let repeated = unavailable.or_unclear();
        assert!(repeated.source().is_some_and(is_full), "by way of the first failure");
        let opening = OpenError::from(Failure::of_all("none of them: ", &[failure]));
        assert!(is_full(&opening));
        assert_eq!(opening.to_string(), format!("none of them: {text}"));
    }

    #[test]
    fn words_alone_have_no_source() {
        assert!(StoreError::unavailable("it is closed").source().is_none());
        assert_eq!(StoreError::unavailable("it is closed"), StoreError::Unavailable("it is closed".into()));
    }
}
