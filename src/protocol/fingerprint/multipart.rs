//! The canonical bytes of a multipart body (RFC 2046, section 5.1, and RFC 7578).
//!
//! The boundary, the text before the first part and behind the last one, and the spelling of part headers do
//! not count. The parts of a form (`multipart/form-data`) have the order that
//! [`field_name`](super::field_name) describes, because a client that builds a form from a map sends its
//! parts in another order each time. The parts of other types count in their order.
//!
//! Readers of multipart bodies are lenient in different ways, so only a body that each of them divides alike
//! has parts here. Any other body is taken raw.

use self::part::Part;
use self::split::split;
use super::field_name::{FieldName, in_order};
use super::media_type::Parameterized;

mod part;
mod split;

/// The meaning of a multipart body and of its media type.
pub(super) struct Multipart {
    /// The media type without its boundary.
    pub(super) content_type: Vec<u8>,
    /// The canonical bytes of the parts.
    pub(super) parts: Vec<u8>,
}

/// Reads a body with this media type; `None` if it is not a multipart body that all readers divide alike.
pub(super) fn canonical(content_type: &[u8], body: &[u8]) -> Option<Multipart> {
    let media_type = Parameterized::read(content_type)?;
    let is_form = media_type.value == "multipart/form-data";
    media_type.value.strip_prefix("multipart/").filter(|subtype| !subtype.is_empty())?;
    let pieces = split(body, media_type.parameter("boundary")?)?;
    let parts: Vec<Part<'_>> = pieces.into_iter().map(Part::read).collect::<Option<_>>()?;
    let mut out = Vec::with_capacity(body.len());
    for place in order(&parts, is_form)? {
        parts[place].write(&mut out);
    }
    Some(Multipart { content_type: without_boundary(&media_type), parts: out })
}

/// Returns the order of parts that counts.
fn order(parts: &[Part<'_>], is_form: bool) -> Option<Vec<usize>> {
    if !is_form || parts.iter().any(|part| part.field_name().is_none()) {
        return Some((0..parts.len()).collect());
    }
    let names = parts.iter().filter_map(Part::field_name).map(FieldName::read);
    Some(in_order(&names.collect::<Option<Vec<_>>>()?))
}

fn without_boundary(media_type: &Parameterized) -> Vec<u8> {
    let mut text = media_type.value.clone().into_bytes();
    for (name, value) in media_type.parameters.iter().filter(|(name, _)| name != "boundary") {
        text.extend([b";", name.as_bytes(), b"=\"", value, b"\""].concat());
    }
    text
}

#[cfg(test)]
mod tests;
