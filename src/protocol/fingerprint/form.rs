//! The canonical bytes of a form, `application/x-www-form-urlencoded` (WHATWG URL, section 5).
//!
//! Some bodies are taken raw, because servers may understand them in different ways. Such a body has a broken
//! escape, a bare `;` (a separator to some servers), characters that are not UTF-8, very many fields, or a
//! name with very many brackets. A body that looks like a document of another format is also taken raw,
//! because clients send such documents under this media type by default.

use std::borrow::Cow;

use memchr::memchr_iter;

use super::field_name::{FieldName, in_order};
use super::places::{Below, Filter, Places};

/// Largest number of fields. Usual servers take fewer. The limit bounds the time and the memory for one body.
const MAX_FIELDS: usize = 1 << 16;

/// A field of a form, without escapes.
struct Field<'t> {
    name: Cow<'t, [u8]>,
    /// `None` if the field has no `=`. To some servers that is another value than an empty one.
    value: Option<Cow<'t, [u8]>>,
}

/// Returns the canonical bytes of what counts in `body`, or `None` if the form has no clear meaning.
///
/// If only named members count, and the form has none of them, the whole form counts.
pub(super) fn canonical(body: &[u8], places: &Places) -> Option<Vec<u8>> {
    let has_many = memchr_iter(b'&', body).nth(MAX_FIELDS - 1).is_some();
    if has_many || body.contains(&b';') || looks_like_a_document(body) {
        return None;
    }
    let pieces = body.split(|byte| *byte == b'&').filter(|piece| !piece.is_empty());
    let fields: Vec<Field<'_>> = pieces.map(Field::read).collect::<Option<_>>()?;
    let names = fields.iter().map(|field| FieldName::read(&field.name));
    let names: Vec<FieldName<'_>> = names.collect::<Option<_>>()?;
    let named = places.filter();
    let has_named = names.iter().any(|name| counts(name, &named));
    let filter = if named.is_way_to_named() && !has_named { Filter::Whole } else { named };
    let counting = names.into_iter().zip(&fields).filter(|(name, _)| counts(name, &filter));
    let (names, fields): (Vec<FieldName<'_>>, Vec<&Field<'_>>) = counting.unzip();
    let mut out = Vec::with_capacity(body.len() + 1);
    for place in in_order(&names) {
        fields[place].write(&mut out);
    }
    Some(out)
}

impl<'t> Field<'t> {
    fn read(piece: &'t [u8]) -> Option<Self> {
        let end = piece.iter().position(|byte| *byte == b'=');
        let name = decoded(&piece[..end.unwrap_or(piece.len())])?;
        let value = match end {
            Some(end) => Some(decoded(&piece[end + 1..])?),
            None => None,
        };
        Some(Self { name, value })
    }

    /// Writes the field in its one usual spelling, which is not longer than any other.
    fn write(&self, out: &mut Vec<u8>) {
        write(&self.name, b"%&=", out);
        if let Some(value) = &self.value {
            out.push(b'=');
            write(value, b"%&", out);
        }
        out.push(b'&');
    }
}

/// Writes a text with escapes for some characters.
fn write(text: &[u8], escaped: &[u8], out: &mut Vec<u8>) {
    for byte in text {
        match escaped.contains(byte) {
            true => out.extend_from_slice(format!("%{byte:02x}").as_bytes()),
            false => out.push(*byte),
        }
    }
}

/// Tells whether a field counts.
fn counts(name: &FieldName<'_>, filter: &Filter<'_>) -> bool {
    let mut filter = filter.clone();
    for (place, step) in name.steps().enumerate() {
        let below = match step {
            b"" if place > 0 => filter.unnumbered_element(),
            // The names are UTF-8, and so are their steps.
            step => filter.member(std::str::from_utf8(step).unwrap_or_default()),
        };
        let Below { is_left_out: false, filter: next } = below else { return false };
        if matches!(next, Filter::Whole) {
            return true;
        }
        filter = next;
    }
    !filter.is_way_to_named()
}

/// Tells whether a body begins as JSON or XML does.
fn looks_like_a_document(body: &[u8]) -> bool {
    matches!(body.trim_ascii_start().first(), Some(b'{' | b'[' | b'"' | b'<'))
}

/// Returns a text without escapes; `None` if it has an escape that is none, or is not UTF-8.
fn decoded(text: &[u8]) -> Option<Cow<'_, [u8]>> {
    let decoded = if text.iter().any(|byte| matches!(byte, b'%' | b'+')) {
        let (mut decoded, mut rest) = (Vec::with_capacity(text.len()), text);
        while let Some((byte, behind)) = rest.split_first() {
            rest = behind;
            decoded.push(match byte {
                b'+' => b' ',
                b'%' => {
                    let (digits, behind) = rest.split_at_checked(2)?;
                    rest = behind;
                    digits
                        .iter()
                        .try_fold(0, |byte, digit| Some(byte << 4 | char::from(*digit).to_digit(16)? as u8))?
                }
                byte => *byte,
            });
        }
        Cow::Owned(decoded)
    } else {
        Cow::Borrowed(text)
    };
    std::str::from_utf8(&decoded).is_ok().then_some(decoded)
}

#[cfg(test)]
mod tests;
