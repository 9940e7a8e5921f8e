//! The idempotency key as clients send it.
//!
//! The IETF draft (draft-ietf-httpapi-idempotency-key-header) makes the header a structured-field string,
//! `"…"`. Most deployed clients send the bare text. Both forms are read, and both name the same key. A value
//! that could mean two things is refused.
//!
//! A key may also stand in members of the body ([`KeySource`](super::KeySource)). The same text is the same key
//! wherever it stands.

use std::borrow::Cow;
use std::fmt;

use super::members::Unreadable;

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

    /// Makes the key of the members of a body. Several are joined with `:`, and in each of them `:` is written
    /// as `%3A` and `%` as `%25`, so that no two lists of members make the same key.
    ///
    /// # Errors
    /// Returns the [`InvalidKey`] for the rule that a member breaks. The rules are those of a bare value.
    pub fn of_members(members: &[String]) -> Result<Self, InvalidKey> {
        for member in members {
            match parse_bare(member.as_bytes()) {
                Ok(bare) if bare.is_empty() => return Err(InvalidKey::Empty),
                Ok(_) => {}
                Err(_) => return Err(InvalidKey::MemberCharacter),
            }
        }
        let joined = match members {
            [only] => only.clone(),
            several => several.iter().map(|member| joinable(member)).collect::<Vec<_>>().join(":"),
        };
        if joined.len() > MAX_LENGTH { Err(InvalidKey::TooLong) } else { Ok(Self(joined)) }
    }

    /// Returns the bare form, as it is usually sent to the upstream.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// Returns the quoted form: a string of RFC 8941.
    #[must_use]
    pub fn quoted(&self) -> String {
        let text = sfv::StringRef::from_str(&self.0).expect("a key is printable ASCII");
        sfv::ItemSerializer::new().bare_item(text).finish()
    }
}

/// The form in which a key is sent to the upstream.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum KeyForm {
    /// The bare text.
    Bare,
    /// The value of the header as it came. A key from a body has no other form than the bare one.
    AsSent,
    /// A string of RFC 8941.
    Quoted,
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

/// Returns a member without the characters that join members.
fn joinable(member: &str) -> Cow<'_, str> {
    match member.contains([':', '%']) {
        true => member.replace('%', "%25").replace(':', "%3A").into(),
        false => member.into(),
    }
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
    /// A body with members that cannot be read.
    Body(Unreadable),
    /// A member that is null.
    Null,
    /// A member that is neither a string nor an integer that a double holds exactly.
    NoText,
    /// A member with a character that a bare key cannot hold.
    MemberCharacter,
    /// A member that the body does not name clearly.
    Unclear,
    /// A member that is there under a name in other letters, upper or lower case.
    OtherCase,
    /// Members of which only some are there.
    Incomplete,
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
            Self::Body(unreadable) => return unreadable.fmt(f),
            Self::Null => "the key is null",
            Self::NoText => "a key is a string, or an integer up to 2^53",
            Self::MemberCharacter => {
                "a key holds printable ASCII characters without space, comma and double quote"
            }
            Self::Unclear => {
                "the body names this member twice, or has a value on the way to it that is neither an object nor \
                 a list"
            }
            Self::OtherCase => {
                "the body has this member under a name that differs in upper and lower case or in white space, and \
                 some servers read it as this one"
            }
            Self::Incomplete => "the body has only some of these members",
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

    fn joined(members: &[&str]) -> Result<String, InvalidKey> {
        let members: Vec<String> = members.iter().map(|member| (*member).to_owned()).collect();
        Key::of_members(&members).map(|key| key.as_str().to_owned())
    }

    #[test]
    fn members_keep_to_the_rules_of_a_bare_value() {
        assert_eq!(joined(&["order-17"]), Ok("order-17".into()));
        assert_eq!(joined(&["a:b%"]), Ok("a:b%".into()), "one member is the key itself");
        assert_eq!(joined(&["m-1", "o-17"]), Ok("m-1:o-17".into()));
        assert_eq!(joined(&["a:b", "c"]), Ok("a%3Ab:c".into()));
        assert_eq!(joined(&["a", "b:c"]), Ok("a:b%3Ac".into()));
        assert_eq!(joined(&["a%3Ab", "c"]), Ok("a%253Ab:c".into()));
        for (member, why) in [
            ("", InvalidKey::Empty),
            (" ", InvalidKey::MemberCharacter),
            ("a b", InvalidKey::MemberCharacter),
            ("a,b", InvalidKey::MemberCharacter),
            ("\"a\"", InvalidKey::MemberCharacter),
            ("k\u{e9}y", InvalidKey::MemberCharacter),
            ("a\n", InvalidKey::MemberCharacter),
            ("a\0", InvalidKey::MemberCharacter),
        ] {
            assert_eq!(joined(&[member]), Err(why), "{member:?}");
            assert_eq!(joined(&["m", member]), Err(why), "{member:?}");
        }
        let half = "k".repeat(MAX_LENGTH / 2);
        assert!(joined(&[&half, &half]).is_ok(), "127 and 127 and a colon");
        assert_eq!(joined(&[&half, &half, "k"]), Err(InvalidKey::TooLong));
        assert_eq!(joined(&[&half, &half.replacen('k', ":", 1)]), Err(InvalidKey::TooLong));
    }

    #[test]
    fn the_quoted_form_is_read_as_the_same_key() {
        for bare in ["k-1", r"a\b", r#""say \"hi\" twice""#] {
            let key = Key::parse(bare.as_bytes()).expect("valid key");
            assert_eq!(Key::parse(key.quoted().as_bytes()), Ok(key), "{bare}");
        }
    }

    proptest::proptest! {
        /// No two lists of members make the same key.
        #[test]
        fn joined_members_can_be_told_apart(
            one in proptest::collection::vec("[:%3A25ab]{1,6}", 2..5),
            other in proptest::collection::vec("[:%3A25ab]{1,6}", 2..5),
        ) {
            let (first, second) = (Key::of_members(&one), Key::of_members(&other));
            proptest::prop_assert_eq!(first == second, one == other);
            let joined = first.expect("valid members").as_str().to_owned();
            let parts: Vec<String> = joined
                .split(':')
                .map(|part| part.replace("%3A", ":").replace("%25", "%"))
                .collect();
            proptest::prop_assert_eq!(parts, one);
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
