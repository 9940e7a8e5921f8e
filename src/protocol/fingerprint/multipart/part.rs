//! One part of a multipart body.

use crate::protocol::fingerprint::media_type::{Parameterized, is_token};

/// The headers with parameters, which have more than one spelling.
const WITH_PARAMETERS: [&str; 2] = ["content-disposition", "content-type"];

/// A part: its headers in the order of their names, and its content.
pub(super) struct Part<'t> {
    headers: Vec<(String, Value<'t>)>,
    content: &'t [u8],
}

/// The value of a part header.
enum Value<'t> {
    Parameterized(Parameterized),
    /// A value as it was sent, without white space around it.
    Plain(&'t [u8]),
}

impl<'t> Part<'t> {
    /// Reads a part. Returns `None` if its headers are not lines that all readers understand alike.
    pub(super) fn read(text: &'t [u8]) -> Option<Self> {
        let mut headers = Vec::new();
        let mut rest = text;
        loop {
            let end = memchr::memmem::find(rest, b"\r\n")?;
            let line = &rest[..end];
            rest = &rest[end + 2..];
            if line.is_empty() {
                break;
            }
            headers.push(header(line)?);
        }
        // Headers with one name keep their order.
        headers.sort_by(|(one, _), (other, _)| one.cmp(other));
        Some(Self { headers, content: rest })
    }

    /// Returns the name of the field that the part is the value of; `None` if it is not clear.
    pub(super) fn field_name(&self) -> Option<&[u8]> {
        let mut named = self.headers.iter().filter(|(name, _)| name == "content-disposition");
        match (named.next(), named.next()) {
            (Some((_, Value::Parameterized(value))), None) if value.value == "form-data" => {
                value.parameter("name")
            }
            _ => None,
        }
    }

    /// Writes the part so that no two parts have the same bytes, and none is the beginning of another.
    pub(super) fn write(&self, out: &mut Vec<u8>) {
        write_length(self.headers.len(), out);
        for (name, value) in &self.headers {
            write(name.as_bytes(), out);
            match value {
                Value::Plain(value) => {
                    out.push(0);
                    write(value, out);
                }
                Value::Parameterized(Parameterized { value, parameters }) => {
                    out.push(1);
                    write(value.as_bytes(), out);
                    write_length(parameters.len(), out);
                    for (name, value) in parameters {
                        write(name.as_bytes(), out);
                        write(value, out);
                    }
                }
            }
        }
        write(self.content, out);
    }
}

/// Reads a header line, whose value may have only characters that all readers take for a part of it.
fn header(line: &[u8]) -> Option<(String, Value<'_>)> {
    let colon = line.iter().position(|byte| *byte == b':')?;
    let (name, value) = (&line[..colon], line[colon + 1..].trim_ascii());
    let is_name = !name.is_empty() && name.iter().all(|byte| is_token(*byte));
    let is_value = !value.iter().any(|byte| matches!(byte, 0..=8 | 10..=31 | 127));
    let name = String::from_utf8(name.to_ascii_lowercase()).ok().filter(|_| is_name && is_value)?;
    let parameterized = WITH_PARAMETERS.contains(&&*name).then(|| Parameterized::read(value)).flatten();
    Some((name, parameterized.map_or(Value::Plain(value), Value::Parameterized)))
}

fn write_length(length: usize, out: &mut Vec<u8>) {
    out.extend_from_slice(&(length as u64).to_be_bytes());
}

fn write(text: &[u8], out: &mut Vec<u8>) {
    write_length(text.len(), out);
    out.extend_from_slice(text);
}
