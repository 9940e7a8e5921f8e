//! String literals.

use std::borrow::Cow;

/// Reads the string literal at the start of `text`. Returns its content and its length. Borrowed content has
/// no character that has to be escaped.
pub(super) fn read(text: &str) -> Option<(Cow<'_, str>, usize)> {
    let inner = text.strip_prefix('"')?;
    let plain = plain(inner.as_bytes());
    if inner.as_bytes().get(plain) == Some(&b'"') {
        return Some((Cow::Borrowed(&inner[..plain]), plain + 2));
    }
    let (mut content, mut rest) = (String::from(&inner[..plain]), &inner[plain..]);
    loop {
        match rest.as_bytes().first()? {
            b'"' => return Some((Cow::Owned(content), text.len() - rest.len() + 1)),
            b'\\' => {
                let (character, length) = escape(rest)?;
                content.push(character);
                rest = &rest[length..];
            }
            _ => return None,
        }
        let plain = self::plain(rest.as_bytes());
        content.push_str(&rest[..plain]);
        rest = &rest[plain..];
    }
}

/// Returns the length of the leading text that needs no escape.
fn plain(text: &[u8]) -> usize {
    text.iter().position(|byte| matches!(byte, b'"' | b'\\' | 0..=0x1f)).unwrap_or(text.len())
}

/// Returns the character of the escape at the start of `text`, and the length of the escape.
fn escape(text: &str) -> Option<(char, usize)> {
    let character = match text.as_bytes().get(1)? {
        b'u' => return unicode(text),
        b'b' => '\u{8}',
        b'f' => '\u{c}',
        b'n' => '\n',
        b'r' => '\r',
        b't' => '\t',
        byte @ (b'"' | b'\\' | b'/') => char::from(*byte),
        _ => return None,
    };
    Some((character, 2))
}

/// Reads a `\u` escape. A surrogate has a meaning only as the first or second of a pair.
fn unicode(text: &str) -> Option<(char, usize)> {
    let first = unit(text)?;
    if let Some(character) = char::from_u32(first) {
        return Some((character, 6));
    }
    let units = [first, unit(text.get(6..)?)?].map(|unit| unit as u16);
    let mut decoded = char::decode_utf16(units);
    match (decoded.next(), decoded.next()) {
        (Some(Ok(character)), None) => Some((character, 12)),
        _ => None,
    }
}

fn unit(text: &str) -> Option<u32> {
    let digits = text.strip_prefix("\\u")?.as_bytes().get(..4)?;
    digits.iter().try_fold(0, |unit, digit| Some(16 * unit + char::from(*digit).to_digit(16)?))
}

/// Writes a string that [`read`] returned in its canonical form.
#[expect(clippy::ptr_arg, reason = "whether it is borrowed says whether anything has to be escaped")]
pub(super) fn write(content: &Cow<'_, str>, out: &mut Vec<u8>) {
    out.push(b'"');
    match content {
        Cow::Borrowed(plain) => out.extend_from_slice(plain.as_bytes()),
        Cow::Owned(content) => write_escaped(content.as_bytes(), out),
    }
    out.push(b'"');
}

fn write_escaped(mut content: &[u8], out: &mut Vec<u8>) {
    loop {
        let (plain, rest) = content.split_at(plain(content));
        out.extend_from_slice(plain);
        let Some((byte, rest)) = rest.split_first() else { return };
        let short = match byte {
            0x8 => b'b',
            b'\t' => b't',
            b'\n' => b'n',
            0xc => b'f',
            b'\r' => b'r',
            b'"' | b'\\' => *byte,
            _ => {
                let digit = |value: u8| b"0123456789abcdef"[usize::from(value)];
                out.extend_from_slice(&[b'\\', b'u', b'0', b'0', digit(byte >> 4), digit(byte & 0xf)]);
                content = rest;
                continue;
            }
        };
        out.extend_from_slice(&[b'\\', short]);
        content = rest;
    }
}
