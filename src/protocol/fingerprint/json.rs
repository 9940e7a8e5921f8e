//! The canonical bytes of a JSON document, for documents whose meaning a canonical form can hold.
//!
//! A stranger's body comes here, so the time it takes is bounded by its length: the text is read once, and
//! its canonical form written beside it, without a tree in between. Only the members of objects that are
//! out of order are moved, once, when everything is read.

use self::ignored::{Ignored, pointers};
use self::reader::Reader;

mod ignored;
mod moved;
mod number;
mod order;
mod reader;
mod text;

#[cfg(test)]
mod tests;

/// The RFC 8785 form of `body` without the members at `ignore`, or `None` where two different
/// documents could end up with the same form: then the bytes themselves have to be compared. That is the
/// case where a member is named twice, and where a number is not told by a double ([`number`]).
pub(super) fn canonical(body: &[u8], ignore: &[String]) -> Option<Vec<u8>> {
    let text = std::str::from_utf8(body).ok()?;
    Reader::of(text).document(&Ignored::of(&pointers(ignore)))
}
