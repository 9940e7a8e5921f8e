//! The canonical form by way of a tree, as earlier versions made it for records. The reader must agree with
//! it.

use std::fmt;
use std::ops::RangeInclusive;

use serde::Deserialize;
use serde::de::{Deserializer, Error, MapAccess, SeqAccess, Visitor};
use serde_json::{Map, Value};

/// Every decimal of up to 15 significant digits survives a double unchanged (IEEE 754).
const EXACT_DIGITS: usize = 15;
/// The powers of ten that the first significant digit may stand for. Within them, integers stay below 2^53,
/// and no digit is lost to underflow.
const EXACT_POWERS: RangeInclusive<i64> = -290..=14;

/// Returns the RFC 8785 form of `body` without the members at `ignore`. Returns `None` if two different
/// documents could have the same form, so that the bytes themselves have to be compared.
pub(super) fn canonical(body: &[u8], ignore: &[String]) -> Option<Vec<u8>> {
    let text = std::str::from_utf8(body).ok()?;
    if !numbers_are_exact(text) {
        return None;
    }
    let Strict(mut document) = serde_json::from_str(text).ok()?;
    for pointer in ignore {
        remove(&mut document, pointer);
    }
    serde_json_canonicalizer::to_vec(&document).ok()
}

/// Tells whether every number in this JSON text means one double that no other number in it means.
fn numbers_are_exact(text: &str) -> bool {
    let mut rest = text.as_bytes();
    while let Some(&byte) = rest.first() {
        let taken = match byte {
            b'"' => string_length(rest),
            b'-' | b'0'..=b'9' => {
                let length = rest.iter().take_while(|byte| is_number_byte(**byte)).count();
                if !is_exact(&rest[..length]) {
                    return false;
                }
                length
            }
            _ => 1,
        };
        rest = &rest[taken..];
    }
    true
}

/// Returns the length of the string literal at the start of `text`, quotes included.
fn string_length(text: &[u8]) -> usize {
    let mut escaped = false;
    for (at, &byte) in text.iter().enumerate().skip(1) {
        match byte {
            _ if escaped => escaped = false,
            b'\\' => escaped = true,
            b'"' => return at + 1,
            _ => {}
        }
    }
    text.len()
}

fn is_number_byte(byte: u8) -> bool {
    matches!(byte, b'0'..=b'9' | b'+' | b'-' | b'.' | b'e' | b'E')
}

/// Tells whether a double distinguishes the number, in any spelling. Only its digits count, without zeros at
/// either end, and the power of ten that the first of them stands for.
fn is_exact(number: &[u8]) -> bool {
    let mut parts = number.split(|byte| matches!(byte, b'e' | b'E'));
    let mantissa = parts.next().unwrap_or_default();
    let is_significant = |byte: &u8| matches!(byte, b'1'..=b'9');
    let Some(first) = mantissa.iter().position(is_significant) else { return true };
    let last = mantissa.iter().rposition(is_significant).unwrap_or(first);
    let significant = mantissa[first..=last].iter().filter(|byte| byte.is_ascii_digit()).count();
    let exponent =
        parts.next().map_or(Some(0), |exponent| std::str::from_utf8(exponent).ok()?.parse::<i64>().ok());
    let point = mantissa.iter().position(|byte| *byte == b'.').unwrap_or(mantissa.len());
    let power = point as i64 - first as i64 - i64::from(first < point);
    let power = exponent.and_then(|exponent| exponent.checked_add(power));
    significant <= EXACT_DIGITS && power.is_some_and(|power| EXACT_POWERS.contains(&power))
}

/// Removes the member at `pointer`. Blanks an array element, so that its neighbours keep their places.
/// Removes nothing if the pointer leads nowhere.
fn remove(document: &mut Value, pointer: &str) {
    let Some((parent, name)) = pointer.rsplit_once('/') else { return };
    let name = name.replace("~1", "/").replace("~0", "~");
    match document.pointer_mut(parent) {
        Some(Value::Object(members)) => {
            members.remove(&name);
        }
        Some(Value::Array(elements)) => {
            let element = name.parse::<usize>().ok().and_then(|index| elements.get_mut(index));
            if let Some(element) = element {
                *element = Value::Null;
            }
        }
        _ => {}
    }
}

/// A JSON value in which no object names a member twice. `serde_json::Value` keeps the last member without an
/// error.
struct Strict(Value);

impl<'de> Deserialize<'de> for Strict {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(StrictVisitor).map(Strict)
    }
}

struct StrictVisitor;

impl<'de> Visitor<'de> for StrictVisitor {
    type Value = Value;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a JSON document without repeated member names")
    }

    fn visit_unit<E>(self) -> Result<Value, E> {
        Ok(Value::Null)
    }

    fn visit_bool<E>(self, value: bool) -> Result<Value, E> {
        Ok(Value::Bool(value))
    }

    fn visit_i64<E>(self, value: i64) -> Result<Value, E> {
        Ok(value.into())
    }

    fn visit_u64<E>(self, value: u64) -> Result<Value, E> {
        Ok(value.into())
    }

    fn visit_f64<E>(self, value: f64) -> Result<Value, E> {
        Ok(value.into())
    }

    fn visit_str<E>(self, value: &str) -> Result<Value, E> {
        Ok(value.into())
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<Value, A::Error> {
        let mut elements = Vec::new();
        while let Some(Strict(element)) = seq.next_element()? {
            elements.push(element);
        }
        Ok(Value::Array(elements))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Value, A::Error> {
        let mut members = Map::new();
        while let Some((name, Strict(value))) = map.next_entry::<String, Strict>()? {
            if members.insert(name, value).is_some() {
                return Err(A::Error::custom("a member name appears twice"));
            }
        }
        Ok(Value::Object(members))
    }
}
