//! The formats in which a problem can be told, each with its escapes.
//!
//! A value never leaves its place in a body: what is written into it is escaped as the content type demands.
//! Types in which a browser would run what stands there are refused.

use std::fmt::Write as _;

use http::HeaderValue;

/// A content type for the problems of a shape.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ContentType {
    pub(super) value: HeaderValue,
    pub(super) format: Format,
}

/// The syntax of a body.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Format {
    Json,
    Xml,
    Form,
    Text,
}

const ALLOWED: &str = "allowed: application/json, types that end in +json, application/xml, text/xml, types that end in \
                       +xml, application/x-www-form-urlencoded and text/plain, all in UTF-8";

impl ContentType {
    /// The content type of a template, unless its shape names one.
    #[must_use]
    pub fn json() -> Self {
        Self { value: HeaderValue::from_static("application/json"), format: Format::Json }
    }

    /// Reads a content type.
    ///
    /// # Errors
    /// The reason why no problem can be told in it, and the types that are allowed.
    pub fn parse(text: &str) -> Result<Self, String> {
        let no_type = || format!("is not a content type; {ALLOWED}");
        let is_plain = text.bytes().all(|byte| matches!(byte, b' '..=b'~'));
        let value = HeaderValue::from_str(text).ok().filter(|_| is_plain).ok_or_else(no_type)?;
        let mut parts = text.split(';').map(|part| part.trim().to_ascii_lowercase());
        let essence = parts.next().unwrap_or_default();
        for parameter in parts {
            let charset = parameter.strip_prefix("charset=").map(|charset| charset.trim_matches('"'));
            if charset.is_some_and(|charset| charset != "utf-8") {
                return Err(format!(
                    "names another charset than utf-8, in which problems are written; {ALLOWED}"
                ));
            }
        }
        let format = Format::of(&essence).ok_or_else(no_type)?;
        Ok(Self { value, format })
    }

    /// Tells whether the usual document, which is JSON, can be told in this type.
    #[must_use]
    pub fn is_json(&self) -> bool {
        self.format == Format::Json
    }
}

impl Format {
    fn of(essence: &str) -> Option<Self> {
        let (group, name) = essence.split_once('/')?;
        let is_token = |text: &str| {
            !text.is_empty() && text.chars().all(|c| c.is_ascii_alphanumeric() || "!#$&^_.+-".contains(c))
        };
        if !is_token(group) || !is_token(name) || ["xhtml+xml", "svg+xml"].contains(&name) {
            return None;
        }
        match (group, name) {
            ("application", "json") => Some(Self::Json),
            (_, name) if name.ends_with("+json") => Some(Self::Json),
            ("application" | "text", "xml") => Some(Self::Xml),
            (_, name) if name.ends_with("+xml") => Some(Self::Xml),
            ("application", "x-www-form-urlencoded") => Some(Self::Form),
            ("text", "plain") => Some(Self::Text),
            _ => None,
        }
    }

    /// Appends a value to a body, escaped. In JSON, the value stands within quotes.
    pub(super) fn append(self, body: &mut String, value: &str) {
        match self {
            Self::Json => {
                let quoted = quoted(value);
                body.push_str(&quoted[1..quoted.len() - 1]);
            }
            Self::Xml => value.chars().for_each(|c| append_xml(body, c)),
            Self::Form => value.bytes().for_each(|byte| append_form(body, byte)),
            Self::Text => body.extend(value.chars().map(|c| if c.is_control() { ' ' } else { c })),
        }
    }
}

/// Returns a value as a JSON string with its quotes.
pub(super) fn quoted(value: &str) -> String {
    serde_json::Value::from(value).to_string()
}

/// Appends a character to the text or an attribute of XML. XML 1.0 has no place for most control characters.
fn append_xml(body: &mut String, character: char) {
    match character {
        '&' => body.push_str("&amp;"),
        '<' => body.push_str("&lt;"),
        '>' => body.push_str("&gt;"),
        '"' => body.push_str("&quot;"),
        '\'' => body.push_str("&apos;"),
        '\t' | '\n' => body.push(character),
        '\u{fffe}' | '\u{ffff}' => body.push(char::REPLACEMENT_CHARACTER),
        character if character.is_control() => body.push(char::REPLACEMENT_CHARACTER),
        character => body.push(character),
    }
}

/// Appends a byte of a form's value, as the URL Standard encodes it.
fn append_form(body: &mut String, byte: u8) {
    match byte {
        b'A'..=b'Z' | b'a'..=b'z' | b'0'..=b'9' | b'*' | b'-' | b'.' | b'_' => body.push(byte.into()),
        b' ' => body.push('+'),
        // Writing to a string does not fail.
        _ => drop(write!(body, "%{byte:02X}")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_type_decides_the_format() {
        for (text, format) in [
            ("application/json", Format::Json),
            ("Application/JSON; charset=UTF-8", Format::Json),
            ("application/vnd.api+json;version=1", Format::Json),
            ("application/problem+json", Format::Json),
            ("text/xml; charset=\"utf-8\"", Format::Xml),
            ("application/soap+xml", Format::Xml),
            ("application/x-www-form-urlencoded", Format::Form),
            ("text/plain", Format::Text),
        ] {
            assert_eq!(ContentType::parse(text).map(|parsed| parsed.format), Ok(format), "{text}");
        }
    }

    #[test]
    fn what_cannot_be_told_safely_is_refused() {
        for text in [
            "",
            "json",
            "text/html",
            "text/javascript",
            "application/xhtml+xml",
            "image/svg+xml",
            "multipart/form-data",
            "application/",
            "application/json, text/html",
            "application/json\r\nx: y",
            "application/jsön",
            "*/*",
            "text/plain; charset=latin1",
            "application/json; charset=utf-16",
        ] {
            let why = ContentType::parse(text).expect_err(text);
            assert!(why.contains("allowed: application/json"), "{text}: {why}");
        }
    }

    #[test]
    fn values_stay_in_their_place() {
        let hostile = "</a>&\"'\\ \r\n\u{7}é{status}";
        for (format, escaped) in [
            (Format::Json, "</a>&\\\"'\\\\ \\r\\n\\u0007é{status}"),
            (Format::Xml, "&lt;/a&gt;&amp;&quot;&apos;\\ \u{fffd}\n\u{fffd}é{status}"),
            (Format::Form, "%3C%2Fa%3E%26%22%27%5C+%0D%0A%07%C3%A9%7Bstatus%7D"),
            (Format::Text, "</a>&\"'\\    é{status}"),
        ] {
            let mut body = String::new();
            format.append(&mut body, hostile);
            assert_eq!(body, escaped, "{format:?}");
        }
    }
}
