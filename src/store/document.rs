//! Documents that all gateways of a store share.

use std::borrow::Cow;

use bytes::Bytes;

use crate::clock::Timestamp;

/// Name of a document of [`Store::document`](super::Store::document).
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum DocumentName {
    /// The document that says how operations are named ([`Names`](super::Names)).
    Names,
    /// The document with the last known time of the store's clock, and with the jumps that were accepted.
    Clock,
    /// The document that says which gateway tells the webhook of unknown outcomes, and until when.
    Notifier,
    /// One of 256 documents that list the unknown outcomes that the webhook was told. The number is the
    /// first byte of the records' ids.
    Notified(u8),
}

impl DocumentName {
    /// Returns the name of the document as text. Every name has another text.
    #[must_use]
    pub fn text(self) -> Cow<'static, str> {
        match self {
            Self::Names => "names".into(),
            Self::Clock => "clock".into(),
            Self::Notifier => "notifier".into(),
            Self::Notified(part) => format!("notified-{part:02x}").into(),
        }
    }
}

/// A document, as a store found it.
#[derive(Clone, Debug)]
pub struct Document {
    /// The document. `None` is proof that there is none.
    pub bytes: Option<Bytes>,
    /// The store's clock at that moment.
    pub now: Timestamp,
}

/// The result of a [`Store::replace_document`](super::Store::replace_document).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Replaced {
    /// The document was written.
    Stored,
    /// A different document is stored, or none. The store wrote nothing.
    Conflict,
}

impl Replaced {
    /// Returns the result of a comparison that no other writer could interrupt.
    pub(super) fn where_equal(equal: bool) -> Self {
        if equal { Self::Stored } else { Self::Conflict }
    }
}
