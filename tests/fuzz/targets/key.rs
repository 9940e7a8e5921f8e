//! The value of an `Idempotency-Key` header.

use oncegate::protocol::Key;
use oncegate::protocol::key::MAX_LENGTH;

/// Checks that a value is read as the same key by a second, simpler reader, or refused by both. The quoted
/// form of a key is that key. The bare form, which goes to the upstream, is never another key.
pub fn key(data: &[u8]) {
    let parsed = Key::parse(data);
    let text = parsed.as_ref().ok().map(Key::as_str);
    assert_eq!(text, expected(data.trim_ascii()).as_deref());
    let key = match &parsed {
        Ok(key) => key,
        Err(why) => return assert!(!why.to_string().is_empty()),
    };
    let text = key.as_str();
    assert!((1..=MAX_LENGTH).contains(&text.len()) && text.bytes().all(|byte| matches!(byte, 0x20..=0x7e)));
    assert_eq!(Key::parse(quoted(text).as_bytes()).as_ref(), Ok(key));
    assert!(Key::parse(text.as_bytes()).is_ok_and(|bare| bare == *key) || text.contains([' ', ',', '"']));
    assert_eq!(Key::parse(format!("\t {text} ").as_bytes()).ok(), Key::parse(text.as_bytes()).ok());
}

/// Returns the structured-field string of a text (RFC 8941, 4.1.6).
fn quoted(text: &str) -> String {
    format!("\"{}\"", text.replace('\\', "\\\\").replace('"', "\\\""))
}

fn expected(value: &[u8]) -> Option<String> {
    let text = match value.split_first() {
        Some((b'"', rest)) => unquoted(rest)?,
        _ => {
            let plain = |byte: &u8| byte.is_ascii_graphic() && !matches!(byte, b',' | b'"');
            value.iter().all(plain).then(|| value.iter().copied().map(char::from).collect())?
        }
    };
    let names_itself = text.trim() == text && !text.starts_with('"');
    (names_itself && (1..=MAX_LENGTH).contains(&text.len())).then_some(text)
}

/// Returns the text before the closing quote, which must be the end.
fn unquoted(rest: &[u8]) -> Option<String> {
    let mut text = String::new();
    let mut bytes = rest.iter();
    loop {
        match bytes.next()? {
            b'"' => return bytes.as_slice().is_empty().then_some(text),
            b'\\' => text.push(char::from(*bytes.next().filter(|byte| matches!(byte, b'"' | b'\\'))?)),
            byte @ 0x20..=0x7e => text.push(char::from(*byte)),
            _ => return None,
        }
    }
}
