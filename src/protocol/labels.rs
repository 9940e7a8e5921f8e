//! Labels: texts of a request by which people find its record, such as an order number.
//!
//! A route names the places of its labels. Labels stand in records, logs and lists, in clear text. Their
//! values come from clients, so this module bounds their number and length, and keeps no value that could
//! change the line around it.

use std::fmt;
use std::sync::Arc;

use http::HeaderName;

use super::RequestParts;
use super::members::{BodyMembers, Pointer};

/// The largest number of labels of a route and of a record.
pub const MOST: usize = 4;

/// The largest length of a label's name and of its value, in bytes.
pub const LONGEST: usize = 128;

/// A place in a request that holds the value of a label.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LabelSource {
    name: Arc<str>,
    place: Place,
}

#[derive(Clone, Debug, PartialEq, Eq)]
enum Place {
    /// A request header. Its first value counts.
    Header(HeaderName),
    /// A member of the body, which is JSON or a form.
    Member(Pointer),
}

impl LabelSource {
    /// Names the label of a request header after the header.
    #[must_use]
    pub fn header(name: HeaderName) -> Self {
        Self { name: name.as_str().into(), place: Place::Header(name) }
    }

    /// Names the label of a member of the body after the pointer to it.
    #[must_use]
    pub fn member(pointer: Pointer) -> Self {
        Self { name: pointer.as_str().into(), place: Place::Member(pointer) }
    }

    /// Returns the label's name.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }
}

/// The labels of one request. The order is that of the route's configuration.
///
/// A clone shares them. A request without labels needs no memory for them.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Labels(Option<Arc<Vec<Label>>>);

#[derive(Debug, PartialEq, Eq)]
struct Label {
    name: Arc<str>,
    value: Box<str>,
}

impl Labels {
    /// Takes the labels out of a request. A label is absent if the request has no value for it: the header is
    /// missing or is not UTF-8, or the member is missing or is neither a string, a number nor a boolean.
    #[must_use]
    pub fn of_request(sources: &[LabelSource], request: RequestParts<'_>) -> Self {
        if sources.is_empty() {
            return Self::default();
        }
        let has_member = sources.iter().any(|source| matches!(source.place, Place::Member(_)));
        let members = if has_member { BodyMembers::found(request.headers, request.body) } else { None };
        let found = sources.iter().filter_map(|source| {
            let value = match &source.place {
                Place::Header(name) => {
                    let value = request.headers.get(name)?.as_bytes();
                    kept(std::str::from_utf8(value).ok()?)?.into()
                }
                Place::Member(pointer) => kept(&members.as_ref()?.member(pointer).scalar()?)?.into(),
            };
            Some(Label { name: Arc::clone(&source.name), value })
        });
        Self::of_kept(found)
    }

    /// Collects stored labels. The limits hold here too, because the bytes of a record may come from another
    /// gateway.
    #[must_use]
    pub fn stored<'t>(labels: impl IntoIterator<Item = (&'t str, &'t str)>) -> Self {
        let labels = labels.into_iter().filter_map(|(name, value)| {
            let is_whole = kept(name).is_some_and(|kept| kept.len() == name.len());
            is_whole.then_some(Label { name: name.into(), value: kept(value)?.into() })
        });
        Self::of_kept(labels)
    }

    fn of_kept(labels: impl Iterator<Item = Label>) -> Self {
        let labels: Vec<_> = labels.take(MOST).collect();
        Self((!labels.is_empty()).then(|| Arc::new(labels)))
    }

    /// Tells whether there is no label.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.0.is_none()
    }

    /// Returns the names and values.
    pub fn iter(&self) -> impl Iterator<Item = (&str, &str)> {
        self.0.iter().flat_map(|labels| labels.iter()).map(|label| (&*label.name, &*label.value))
    }

    /// Returns the labels for a log line, which has none rather than an empty object.
    #[must_use]
    pub fn shown(&self) -> Option<&Self> {
        (!self.is_empty()).then_some(self)
    }

    /// Tells whether a label has this value. A longer text is cut as values are.
    #[must_use]
    pub fn have(&self, value: &str) -> bool {
        let value = cut(value);
        self.iter().any(|(_, label)| label == value)
    }
}

impl fmt::Display for Labels {
    /// Writes a JSON object for log lines. Its members stand in the order of the labels. White space and `=`
    /// are escaped, so that a value looks like no other field of a line of text.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("{")?;
        for (index, (name, value)) in self.iter().enumerate() {
            let comma = if index == 0 { "" } else { "," };
            f.write_str(comma)?;
            write_json(f, name)?;
            f.write_str(":")?;
            write_json(f, value)?;
        }
        f.write_str("}")
    }
}

fn write_json(f: &mut fmt::Formatter<'_>, text: &str) -> fmt::Result {
    f.write_str("\"")?;
    for c in text.chars() {
        match c {
            '"' | '\\' => write!(f, "\\{c}")?,
            // White space lies in the first plane of Unicode, so four digits are enough.
            c if c == '=' || c.is_whitespace() => write!(f, "\\u{:04x}", u32::from(c))?,
            c => write!(f, "{c}")?,
        }
    }
    f.write_str("\"")
}

/// Returns the part of a value that is kept. Returns `None` if the value is empty, or has a character that
/// breaks a line, moves the cursor of a terminal or turns the direction of a text.
fn kept(value: &str) -> Option<&str> {
    let is_plain = !value.is_empty() && !value.chars().any(acts_on_lines);
    is_plain.then(|| cut(value))
}

/// Cuts a value at the last character that ends within the limit.
fn cut(value: &str) -> &str {
    &value[..value.floor_char_boundary(LONGEST)]
}

/// Tells whether a character is a control character, a separator of lines or paragraphs, or a mark of the
/// bidirectional algorithm (UAX #9).
#[must_use]
pub fn acts_on_lines(c: char) -> bool {
    let separates = matches!(c, '\u{2028}' | '\u{2029}');
    let turns =
        matches!(c, '\u{61c}' | '\u{200e}' | '\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}');
    c.is_control() || separates || turns
}

#[cfg(test)]
mod tests {
    use http::{HeaderMap, HeaderValue, Method};

    use super::*;

    fn member(pointer: &str) -> LabelSource {
        LabelSource::member(Pointer::parse(pointer).expect("a pointer"))
    }

    fn of(sources: &[LabelSource], headers: &HeaderMap, body: &str) -> Labels {
        let (method, body) = (&Method::POST, body.as_bytes());
        Labels::of_request(sources, RequestParts { method, path: "/", query: None, headers, body })
    }

    /// Returns the label that a member with this JSON becomes.
    fn of_member(json: &str) -> Option<String> {
        let body = format!("{{\"order\":{json}}}");
        let labels = of(&[member("/order")], &HeaderMap::new(), &body);
        let mut values = labels.iter().map(|(name, value)| {
            assert_eq!(name, "/order");
            value.to_owned()
        });
        values.next()
    }

    #[test]
    fn labels_come_from_headers_and_members() {
        let mut headers = HeaderMap::new();
        headers.append("x-request-id", HeaderValue::from_static("r-1"));
        headers.append("x-request-id", HeaderValue::from_static("r-2"));
        headers.insert("x-bytes", HeaderValue::from_bytes(b"\xff").expect("opaque"));
        let header = |name| LabelSource::header(HeaderName::from_static(name));
        let sources =
            [header("x-request-id"), member("/a/b"), header("x-bytes"), header("x-none"), member("/none")];
        let labels = of(&sources, &headers, "{\"a\":{\"b\":\"o-17\"}}");
        assert_eq!(labels.iter().collect::<Vec<_>>(), [("x-request-id", "r-1"), ("/a/b", "o-17")]);
        assert_eq!(labels.to_string(), "{\"x-request-id\":\"r-1\",\"/a/b\":\"o-17\"}");
        let no_json = of(&sources, &headers, "a=b");
        assert_eq!(no_json.iter().collect::<Vec<_>>(), [("x-request-id", "r-1")]);
        assert!(of(&[], &headers, "{}").is_empty());
        assert_eq!(of(&sources, &HeaderMap::new(), "{}"), Labels::default());
        assert_eq!(Labels::default().to_string(), "{}");
    }

    #[test]
    fn strings_numbers_and_booleans_are_labels() {
        for (json, value) in [
            ("\"o-17\"", Some("o-17")),
            ("\"\\u00e9\\\"\"", Some("é\"")),
            ("17", Some("17")),
            ("12345678901234567890123", Some("12345678901234567890123")),
            ("1.50", Some("1.50")),
            ("true", Some("true")),
            ("false", Some("false")),
            ("null", None),
            ("[1]", None),
            ("{\"a\":1}", None),
            ("1, \"order\":2", None),
            ("\"\"", None),
        ] {
            assert_eq!(of_member(json).as_deref(), value, "{json}");
        }
    }

    #[test]
    fn values_that_act_on_a_line_are_not_kept() {
        for code in [
            0x00, 0x09, 0x0a, 0x0d, 0x1b, 0x7f, 0x85, 0x9b, 0x61c, 0x200e, 0x200f, 0x2028, 0x2029, 0x202a,
            0x202e, 0x2066, 0x2069,
        ] {
            let long = "x".repeat(LONGEST);
            for value in [format!("a\\u{code:04x}b"), format!("{long}\\u{code:04x}")] {
                assert_eq!(of_member(&format!("\"{value}\"")), None, "{code:x}");
            }
        }
        assert_eq!(of_member("\"\\u202fא\"").as_deref(), Some("\u{202f}א"));
    }

    #[test]
    fn a_longer_value_is_cut_between_characters_and_so_is_the_text_that_it_is_compared_with() {
        let long = "é".repeat(100);
        let labels = of(&[member("/order")], &HeaderMap::new(), &format!("{{\"order\":\"{long}\"}}"));
        let (_, value) = labels.iter().next().expect("a label");
        assert_eq!(value, "é".repeat(64));
        let odd = format!("x{long}");
        assert_eq!(of_member(&format!("\"{odd}\"")).expect("a label").len(), 127);
        assert!(labels.have(&long) && labels.have(value) && !labels.have("é") && !labels.have(""));
    }

    #[test]
    fn the_text_for_logs_is_json_without_white_space_and_equals_signs() {
        let value = "o\" outcome=released\\\u{a0}x";
        let labels = Labels::stored([("/a b", value), ("x-é", "\u{3000}")]);
        let text = labels.to_string();
        assert_eq!(
            text,
            "{\"/a\\u0020b\":\"o\\\"\\u0020outcome\\u003dreleased\\\\\\u00a0x\",\"x-é\":\"\\u3000\"}"
        );
        let read: serde_json::Value = serde_json::from_str(&text).expect("JSON");
        assert_eq!(read, serde_json::json!({ "/a b": value, "x-é": "\u{3000}" }));
    }

    #[test]
    fn stored_labels_obey_the_limits() {
        let long = "x".repeat(LONGEST + 1);
        let pairs =
            [(&*long, "v"), ("a", "b\n"), ("b", &long), ("c", "3"), ("d", "4"), ("e", "5"), ("f", "6")];
        let labels = Labels::stored(pairs);
        let expected = [("b", &long[..LONGEST]), ("c", "3"), ("d", "4"), ("e", "5")];
        assert_eq!(labels.iter().collect::<Vec<_>>(), expected);
        assert_eq!(Labels::stored(labels.iter()), labels);
    }
}
