//! The idempotency key as clients send it.
//!
//! The IETF draft (draft-ietf-httpapi-idempotency-key-header) makes the header a structured-field string,
//! `"…"`. Most deployed clients send the bare text. Both forms are read, and both name the same key. A value
//! that could mean two things is refused.

use std::fmt;

/// The longest key that is accepted, in bytes.
pub const MAX_LENGTH: usize = 255;

/// A valid idempotency key in its bare form: 1 to 255 printable ASCII characters.
#[derive(Clone, PartialEq, Eq, Hash)]
pub struct Key(String);

impl Key {
    /// Reads the value of one header line.
    ///
    /// A value that starts with `"` is an RFC 8941 string item without parameters. Any other value is the key
    /// itself: printable ASCII without space, comma and `"`.
    ///
    /// # Errors
    /// Returns the [`InvalidKey`] for the rule that the value breaks.
    pub fn parse(value: &[u8]) -> Result<Self, InvalidKey> {
        let value = value.trim_ascii();
        let bare = match value.first() {
            None => return Err(InvalidKey::Empty),
            Some(b'"') => parse_quoted(value)?,
            Some(_) => parse_bare(value)?,
        };
        match bare.len() {
            0 => Err(InvalidKey::Empty),
            1..=MAX_LENGTH => Ok(Self(bare)),
            _ => Err(InvalidKey::TooLong),
        }
    }

    /// Returns the bare form, as it is sent to the upstream.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for Key {
    /// Hides the key. Keys are credentials of a kind, and must not appear in logs, not even by accident.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Key({} bytes)", self.0.len())
    }
}

fn parse_bare(value: &[u8]) -> Result<String, InvalidKey> {
    if value.contains(&b',') {
        return Err(InvalidKey::List);
    }
    if value.iter().any(|byte| !byte.is_ascii_graphic() || *byte == b'"') {
        return Err(InvalidKey::Character);
    }
    Ok(value.iter().copied().map(char::from).collect())
}

fn parse_quoted(value: &[u8]) -> Result<String, InvalidKey> {
    let item: sfv::Item = sfv::Parser::new(value).parse().map_err(|_| InvalidKey::Quoting)?;
    if !item.params.is_empty() {
        return Err(InvalidKey::Parameters);
    }
    let sfv::BareItem::String(text) = item.bare_item else {
        return Err(InvalidKey::Quoting);
    };
    let text = String::from(text);
    // The bare form goes upstream. If the upstream trimmed the bare form, or read it as a quoted key, it
    // would see another key than the gateway.
    let ambiguous = text.starts_with(['"', ' ']) || text.ends_with(' ');
    if ambiguous { Err(InvalidKey::NoBareForm) } else { Ok(text) }
}

/// The reason why a key was refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum InvalidKey {
    /// A key without characters.
    Empty,
    /// A key of more than [`MAX_LENGTH`] characters.
    TooLong,
    /// A character that a bare key cannot hold.
    Character,
    /// A value with several keys.
    List,
    /// A value that starts with `"` but is not one structured-field string.
    Quoting,
    /// A structured-field string followed by parameters.
    Parameters,
    /// A quoted key that the upstream would read as another one.
    NoBareForm,
    /// A header that appears more than once.
    SeveralLines,
    /// A key header that `Connection` names, which would strip it before the upstream.
    ConnectionNominated,
}

impl fmt::Display for InvalidKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Empty => "the key is empty",
            Self::TooLong => "the key is longer than 255 characters",
            Self::Character => "a key holds printable ASCII characters without space and double quote",
            Self::List => "the header holds a list; exactly one key is allowed",
            Self::Quoting => "a value that starts with a double quote must be one RFC 8941 string",
            Self::Parameters => "parameters after the key are not allowed",
            Self::NoBareForm => {
                "a quoted key must not start or end with a space, nor start with a double quote"
            }
            Self::SeveralLines => "the header appears more than once",
            Self::ConnectionNominated => "the Connection header names the key header",
        })
    }
}

impl std::error::Error for InvalidKey {}

#[cfg(test)]
mod tests {
    use super::*;

    fn parsed(value: &str) -> Result<String, InvalidKey> {
        Key::parse(value.as_bytes()).map(|key| key.as_str().to_owned())
    }

    #[test]
    fn both_forms_give_the_same_key() {
        assert_eq!(
            parsed("8e03978e-40d5-43dd-bc93-6894a57f9324"),
            parsed("\"8e03978e-40d5-43dd-bc93-6894a57f9324\"")
        );
        assert_eq!(parsed("  k-1\t"), Ok("k-1".into()));
        assert_eq!(parsed(r#""a\\b""#), Ok(r"a\b".into()));
        assert_eq!(parsed(r#""two words""#), Ok("two words".into()));
    }

    #[test]
    fn an_ambiguous_value_is_refused() {
        for (value, why) in [
            ("", InvalidKey::Empty),
            ("\"\"", InvalidKey::Empty),
            ("a,b", InvalidKey::List),
            ("a b", InvalidKey::Character),
            ("a\"b", InvalidKey::Character),
            ("kéy", InvalidKey::Character),
            ("\"kéy\"", InvalidKey::Quoting),
            ("\"a\", \"b\"", InvalidKey::Quoting),
            ("\"a", InvalidKey::Quoting),
            ("\"a\";p=1", InvalidKey::Parameters),
            (r#"" a""#, InvalidKey::NoBareForm),
            (r#""\"a\"""#, InvalidKey::NoBareForm),
        ] {
            assert_eq!(parsed(value), Err(why), "{value}");
        }
    }

    #[test]
    fn the_limit_counts_the_bare_form() {
        let longest = "k".repeat(MAX_LENGTH);
        assert!(parsed(&longest).is_ok());
        assert!(parsed(&format!("\"{longest}\"")).is_ok());
        assert_eq!(parsed(&format!("{longest}k")), Err(InvalidKey::TooLong));
        assert_eq!(parsed(&format!("\"{longest}k\"")), Err(InvalidKey::TooLong));
    }

    #[test]
    fn a_key_does_not_show_in_debug_output() {
        let key = Key::parse(b"secret").expect("valid key");
        assert!(!format!("{key:?}").contains("secret"));
    }
}
