//! The fields of a form, `application/x-www-form-urlencoded` (WHATWG URL, section 5), if all servers read the
//! same ones.
//!
//! Keys and fingerprints both use this reader. A fingerprint takes a form that it refuses as raw bytes. A key
//! is refused with it, because a server may find a key in it that was overlooked here.

use std::borrow::Cow;

use memchr::memchr_iter;
use thiserror::Error;

/// Largest number of fields. Usual servers take fewer. The limit bounds the time and the memory for one body.
const MAX_FIELDS: usize = 1 << 16;

/// A field of a form, without escapes.
pub(super) struct Field<'t> {
    pub(super) name: Cow<'t, [u8]>,
    /// `None` if the field has no `=`. To some servers that is another value than an empty one.
    pub(super) value: Option<Cow<'t, [u8]>>,
}

/// The reason why servers may read a form in different ways.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
pub enum UnclearForm {
    /// A body that begins as a document of another format does. Clients send such documents under the media
    /// type of a form by default.
    #[error("the Content-Type says that the body is a form, but it looks like JSON, XML or other text")]
    Document,
    /// A bare `;`, which is a separator to some servers.
    #[error("the form has a bare `;`, which separates fields to some servers; write it as %3B")]
    Semicolon,
    /// More fields than are read.
    #[error("the form has very many fields")]
    ManyFields,
    /// An escape that is none, or a text that is not UTF-8.
    #[error("the form has a broken escape, a NUL, or characters that are not UTF-8")]
    Text,
}

/// Returns the fields of a form in their order.
///
/// # Errors
/// [`UnclearForm`] for the whole body, or for a field.
pub(super) fn fields(
    body: &[u8],
) -> Result<impl Iterator<Item = Result<Field<'_>, UnclearForm>>, UnclearForm> {
    if looks_like_a_document(body) {
        return Err(UnclearForm::Document);
    }
    if body.contains(&b';') {
        return Err(UnclearForm::Semicolon);
    }
    if memchr_iter(b'&', body).nth(MAX_FIELDS - 1).is_some() {
        return Err(UnclearForm::ManyFields);
    }
    let pieces = body.split(|byte| *byte == b'&').filter(|piece| !piece.is_empty());
    Ok(pieces.map(|piece| Field::read(piece).ok_or(UnclearForm::Text)))
}

/// Checks that all servers find the same fields in a form, by their names. Some could read a form with a NUL
/// as UTF-16, and find other names.
///
/// # Errors
/// [`UnclearForm`] if they may not.
pub(super) fn check(body: &[u8]) -> Result<(), UnclearForm> {
    if body.contains(&0) {
        return Err(UnclearForm::Text);
    }
    fields(body)?.try_for_each(|field| field.map(drop))
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
}

/// Tells whether a body begins as JSON or XML does, or with a byte-order mark, which no form has.
fn looks_like_a_document(body: &[u8]) -> bool {
    let begins = body.trim_ascii_start();
    matches!(begins.first(), Some(b'{' | b'[' | b'"' | b'<')) || begins.starts_with("\u{feff}".as_bytes())
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
