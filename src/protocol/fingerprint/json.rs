//! The canonical bytes of a JSON document, for documents with a meaning that a canonical form can hold.
//!
//! The body comes from an untrusted client, so the time for it is bounded by its length. The text is read
//! once, and its canonical form is written beside it, without a tree in between. Only the members of objects
//! that are out of order are moved, once, after the whole text is read.

use self::ignored::{Ignored, pointers};
use self::reader::Reader;

mod ignored;

mod number;
mod order;
mod reader;
mod reordered;
mod text;

#[cfg(test)]
mod tests;

/// Returns the RFC 8785 form of `body` without the members at `ignore`. Returns `None` if two different
/// documents could have the same form, so that the bytes themselves have to be compared. This is the case if
/// a member is named twice, or if a double does not distinguish a number from all others ([`number`]).
pub(super) fn canonical(body: &[u8], ignore: &[String]) -> Option<Vec<u8>> {
    let text = std::str::from_utf8(body).ok()?;
    Reader::of(text).document(&Ignored::of(&pointers(ignore)))
}
