//! A request body that is compared as a form.

use oncegate::protocol::{BodyScheme, MemberChoice};

use super::typed::digest_of;

const MEDIA_TYPE: &[u8] = b"application/x-www-form-urlencoded";

/// A name, and a value if there is one.
type Field = (String, Option<String>);

/// Checks that a form compared by its meaning has one, which a second reader finds. The same fields in another
/// spelling, with other members first, have the same fingerprint. One field more, or one less, or two values
/// of a name exchanged, is another form. A plain form is never compared byte by byte.
pub fn form(data: &[u8]) {
    let pointers = ["/a", "/m/*/b", "/i/0"].map(str::to_owned).to_vec();
    for members in [MemberChoice::only(pointers.clone(), true), MemberChoice::except(pointers, true)] {
        assert!(digest_of(MEDIA_TYPE, data, BodyScheme::Form { members }).is_some());
    }
    if fingerprint(data) == digest_of(MEDIA_TYPE, data, BodyScheme::Raw) {
        let is_plain = data.iter().all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'=' | b'&'));
        assert!(!is_plain, "a plain form is taken raw");
        return;
    }
    let fields = read(data).expect("what means nothing has a canonical form");
    let is_same = |other: &[Field]| fingerprint(data) == fingerprint(spelled(other).as_bytes());
    assert!(is_same(&roots_reversed(&fields)), "{fields:?}");
    assert!(!is_same(&[&fields[..], &[("zz".into(), None)]].concat()), "{fields:?} and one more");
    assert!(fields.is_empty() || !is_same(&fields[1..]), "{fields:?} without the first");
    if let [(one, first), rest @ ..] = &fields[..]
        && let Some(place) = rest.iter().position(|(name, value)| name == one && value != first)
    {
        let mut exchanged = fields.clone();
        exchanged.swap(0, place + 1);
        assert!(!is_same(&exchanged), "{fields:?} with another order of {one:?}");
    }
}

fn fingerprint(body: &[u8]) -> Option<[u8; 32]> {
    let members = MemberChoice::except(Vec::new(), false);
    digest_of(MEDIA_TYPE, body, BodyScheme::Form { members })
}

/// Reads a form; `None` if it has no clear meaning.
fn read(body: &[u8]) -> Option<Vec<Field>> {
    let text = str::from_utf8(body).ok()?;
    let pieces = text.split('&').filter(|piece| !piece.is_empty());
    let field = |piece: &str| match piece.split_once('=') {
        Some((name, value)) => Some((decoded(name)?, Some(decoded(value)?))),
        None => Some((decoded(piece)?, None)),
    };
    if text.contains(';') { None } else { pieces.map(field).collect() }
}

fn decoded(text: &str) -> Option<String> {
    let text = text.replace('+', " ");
    let mut pieces = text.split('%');
    let mut decoded = pieces.next()?.as_bytes().to_vec();
    for piece in pieces {
        let (digits, rest) = piece.split_at_checked(2)?;
        if !digits.bytes().all(|digit| digit.is_ascii_hexdigit()) {
            return None;
        }
        decoded.push(u8::from_str_radix(digits, 16).ok()?);
        decoded.extend(rest.bytes());
    }
    String::from_utf8(decoded).ok()
}

/// Returns the fields with the members of the last name first. Fields below one name keep their order.
fn roots_reversed(fields: &[Field]) -> Vec<Field> {
    let root = |field: &Field| field.0.split('[').next().unwrap_or_default().to_owned();
    let mut roots: Vec<String> = fields.iter().map(root).collect();
    let mut seen = std::collections::BTreeSet::new();
    roots.retain(|root| seen.insert(root.clone()));
    let below =
        |name: &String| fields.iter().filter(|field| root(field) == *name).cloned().collect::<Vec<_>>();
    roots.iter().rev().flat_map(below).collect()
}

/// Returns the fields with every byte escaped.
fn spelled(fields: &[Field]) -> String {
    let escaped = |text: &str| text.bytes().map(|byte| format!("%{byte:02X}")).collect::<String>();
    let field = |(name, value): &Field| match value {
        Some(value) => format!("{}={}", escaped(name), escaped(value)),
        None => escaped(name),
    };
    fields.iter().map(field).collect::<Vec<_>>().join("&&")
}
