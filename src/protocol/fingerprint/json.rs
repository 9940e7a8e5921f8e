//! The canonical bytes of a JSON document, for documents with a meaning that a canonical form can hold.
//!
//! The body comes from an untrusted client, so the time for it is bounded by its length. The text is read
//! once, and its canonical form is written beside it, without a tree in between. Only the members of objects
//! that are out of order are moved, once, after the whole text is read.

use self::reader::Reader;
use super::places::{Filter, Places};

mod number;
mod order;
mod reader;
mod reordered;
mod text;

#[cfg(test)]
mod tests;

/// Returns the canonical bytes of what counts in `body`: its RFC 8785 form, without the members that are left
/// out. Returns `None` if two different documents could have the same form, so that the bytes themselves
/// have to be compared. This is the case if a member is named twice, or if a double does not distinguish a
/// number from all others ([`number`]).
///
/// If only named members count, and the document has none of them, the whole document counts.
pub(super) fn canonical(body: &[u8], places: &Places) -> Option<Vec<u8>> {
    let text = std::str::from_utf8(body).ok()?;
    let document = |filter| Reader::of(text).document(&filter);
    document(places.filter())?.or_else(|| document(Filter::Whole)?)
}
