//! The canonical bytes of a form, `application/x-www-form-urlencoded` (WHATWG URL, section 5).
//!
//! Some bodies are taken raw, because servers may understand them in different ways: a form that
//! [`fields`] refuses, and a name with very many brackets.

use super::field_name::{FieldName, in_order};
use super::places::{Below, Filter, Places};
use crate::protocol::form::{Field, fields};

/// Returns the canonical bytes of what counts in `body`, or `None` if the form has no clear meaning.
///
/// If only named members count, and the form has none of them, the whole form counts.
pub(super) fn canonical(body: &[u8], places: &Places) -> Option<Vec<u8>> {
    let fields: Vec<Field<'_>> = fields(body).ok()?.collect::<Result<_, _>>().ok()?;
    let names = fields.iter().map(|field| FieldName::read(&field.name));
    let names: Vec<FieldName<'_>> = names.collect::<Option<_>>()?;
    let named = places.filter();
    let has_named = names.iter().any(|name| counts(name, &named));
    let filter = if named.is_way_to_named() && !has_named { Filter::Whole } else { named };
    let counting = names.into_iter().zip(&fields).filter(|(name, _)| counts(name, &filter));
    let (names, fields): (Vec<FieldName<'_>>, Vec<&Field<'_>>) = counting.unzip();
    let mut out = Vec::with_capacity(body.len() + 1);
    for place in in_order(&names) {
        write_field(fields[place], &mut out);
    }
    Some(out)
}

/// Writes a field in its one usual spelling, which is not longer than any other.
fn write_field(field: &Field<'_>, out: &mut Vec<u8>) {
    write(&field.name, b"%&=", out);
    if let Some(value) = &field.value {
        out.push(b'=');
        write(value, b"%&", out);
    }
    out.push(b'&');
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

#[cfg(test)]
mod tests;
