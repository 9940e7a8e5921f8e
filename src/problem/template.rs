//! Bodies of problems as an operator writes them: text with placeholders, checked once and filled often.
//!
//! Only `{name}` with a known name is a placeholder. Any other braces are the body's own, unless they look
//! like a placeholder. In JSON, a placeholder within quotes becomes text; one without quotes becomes a whole
//! value: a string, a number or `null`. What is absent is empty text, or `null`.
//!
//! A template of JSON makes JSON of any values: a string in quotes cannot end early, and a value without
//! quotes has one of three forms, all of which are tried when the template is read.

use super::format::{ContentType, Format, quoted};

/// Longest template, in bytes.
const LONGEST: usize = 16 << 10;

/// A body with placeholders.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Template {
    format: Format,
    parts: Vec<Part>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
enum Part {
    Literal(String),
    /// A value within quotes, or in a format without quotes.
    Text(Field),
    /// A value of JSON, with its quotes if it is a string.
    Value(Field),
}

/// A placeholder.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Field {
    Status,
    Slug,
    Code,
    Type,
    Title,
    Detail,
    Executed,
    Retry,
    Record,
    OriginalStatus,
}

/// The values of all placeholders.
#[derive(Clone, Copy)]
pub(super) struct Values<'v> {
    pub(super) status: u16,
    pub(super) slug: &'v str,
    pub(super) code: &'v str,
    pub(super) kind: &'v str,
    pub(super) title: &'v str,
    pub(super) detail: &'v str,
    pub(super) executed: &'v str,
    pub(super) retry: &'v str,
    pub(super) record: Option<&'v str>,
    pub(super) original_status: Option<u16>,
}

enum Value<'v> {
    Text(&'v str),
    Number(u16),
    Absent,
}

const FIELDS: [(&str, Field); 10] = [
    ("status", Field::Status),
    ("slug", Field::Slug),
    ("code", Field::Code),
    ("type", Field::Type),
    ("title", Field::Title),
    ("detail", Field::Detail),
    ("executed", Field::Executed),
    ("retry", Field::Retry),
    ("record", Field::Record),
    ("original_status", Field::OriginalStatus),
];

/// Values with which a template is tried. A second try has neither a record nor an original status.
const SAMPLE: Values<'static> = Values {
    status: 409,
    slug: "slug",
    code: "code",
    kind: "type",
    title: "title",
    detail: "detail",
    executed: "unknown",
    retry: "never",
    record: Some("record"),
    original_status: Some(503),
};

impl Template {
    /// Reads a template for bodies of this type.
    ///
    /// # Errors
    /// The reason why it cannot be used, and what to write instead.
    pub fn parse(text: &str, content_type: &ContentType) -> Result<Self, String> {
        if text.len() > LONGEST {
            return Err(format!("is longer than {LONGEST} bytes"));
        }
        let format = content_type.format;
        let parts = placed(pieces(text)?, format)?;
        let template = Self { format, parts };
        template.balanced()?;
        match format {
            Format::Json => template.makes_json()?,
            Format::Form => template.makes_form()?,
            Format::Xml | Format::Text => {}
        }
        Ok(template)
    }

    /// Returns the body with these values.
    pub(super) fn fill(&self, values: &Values<'_>) -> String {
        let mut body = String::new();
        for part in &self.parts {
            match part {
                Part::Literal(literal) => body.push_str(literal),
                Part::Text(field) => match field.value(values) {
                    Value::Text(text) => self.format.append(&mut body, text),
                    Value::Number(number) => body.push_str(&number.to_string()),
                    Value::Absent => {}
                },
                Part::Value(field) => match field.value(values) {
                    Value::Text(text) => body.push_str(&quoted(text)),
                    Value::Number(number) => body.push_str(&number.to_string()),
                    Value::Absent => body.push_str("null"),
                },
            }
        }
        body
    }

    fn literals(&self) -> impl Iterator<Item = &str> {
        self.parts.iter().filter_map(|part| match part {
            Part::Literal(literal) => Some(literal.as_str()),
            Part::Text(_) | Part::Value(_) => None,
        })
    }

    /// Checks the braces that are the body's own.
    fn balanced(&self) -> Result<(), String> {
        let mut depth = 0_i32;
        for character in self.literals().flat_map(str::chars) {
            depth += match character {
                '{' => 1,
                '}' => -1,
                _ => 0,
            };
            if depth < 0 {
                break;
            }
        }
        let escape = match self.format {
            Format::Json => "; a single brace within quotes is written \\u007b or \\u007d",
            Format::Xml => "; a single brace is written &#123; or &#125;",
            Format::Form => "; a single brace is written %7B or %7D",
            Format::Text => "",
        };
        match depth {
            0 => Ok(()),
            1.. => Err(format!("has a {{ without its }}{escape}")),
            _ => Err(format!("has a }} without its {{{escape}")),
        }
    }

    fn makes_json(&self) -> Result<(), String> {
        let absent = Values { record: None, original_status: None, ..SAMPLE };
        for (values, when) in [(SAMPLE, ""), (absent, ", where {record} and {original_status} are absent")] {
            if let Err(error) = serde_json::from_str::<serde_json::Value>(&self.fill(&values)) {
                return Err(format!("is not JSON once it is filled in{when}: {error}"));
            }
        }
        Ok(())
    }

    fn makes_form(&self) -> Result<(), String> {
        let is_encoded = |c: char| c.is_ascii_graphic() && !"\"<>\\^`|".contains(c);
        match self.literals().flat_map(str::chars).all(is_encoded) {
            true => Ok(()),
            false => Err("has a character that a form does not have; write it as %XX".into()),
        }
    }
}

impl Field {
    fn value<'v>(self, values: &Values<'v>) -> Value<'v> {
        match self {
            Self::Status => Value::Number(values.status),
            Self::Slug => Value::Text(values.slug),
            Self::Code => Value::Text(values.code),
            Self::Type => Value::Text(values.kind),
            Self::Title => Value::Text(values.title),
            Self::Detail => Value::Text(values.detail),
            Self::Executed => Value::Text(values.executed),
            Self::Retry => Value::Text(values.retry),
            Self::Record => values.record.map_or(Value::Absent, Value::Text),
            Self::OriginalStatus => values.original_status.map_or(Value::Absent, Value::Number),
        }
    }
}

/// A piece of a template, before its place in the body is known.
enum Piece<'t> {
    Literal(&'t str),
    Field(Field),
}

/// Splits a template at its placeholders.
fn pieces(text: &str) -> Result<Vec<Piece<'_>>, String> {
    let mut pieces = Vec::new();
    let (mut from, mut at) = (0, 0);
    while let Some(brace) = text[at..].find('{').map(|found| at + found) {
        at = brace + 1;
        if let Some(inner) = word(&text[at..]) {
            pieces.push(Piece::Literal(&text[from..brace]));
            pieces.push(Piece::Field(field(inner, &text[..brace])?));
            at += inner.len() + 1;
            from = at;
        }
    }
    pieces.push(Piece::Literal(&text[from..]));
    Ok(pieces)
}

/// Returns the text up to the closing brace if it looks like the name of a placeholder.
fn word(text: &str) -> Option<&str> {
    let (inner, _) = text.split_once('}')?;
    let name = inner.trim();
    let looks_like_one = name.chars().all(|c| c.is_ascii_alphanumeric() || "_-.".contains(c));
    (looks_like_one && !name.is_empty()).then_some(inner)
}

/// Returns the placeholder with this name, which follows the text `before` and its brace.
fn field(inner: &str, before: &str) -> Result<Field, String> {
    let named = FIELDS.iter().find(|(name, _)| *name == inner.trim());
    let Some((name, field)) = named else {
        let known: Vec<String> = FIELDS.iter().map(|(name, _)| format!("{{{name}}}")).collect();
        return Err(format!("has {{{inner}}}, which is no placeholder; known: {}", known.join(", ")));
    };
    if inner != *name || before.ends_with('{') {
        return Err(format!("has more than {{{name}}}; write it with single braces and without spaces"));
    }
    Ok(*field)
}

/// The place in a JSON text.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Place {
    OutsideQuotes,
    WithinQuotes,
    /// After a backslash.
    InEscape,
    /// Before this many digits of `\uXXXX`.
    InDigits(u8),
}

impl Place {
    /// Returns the place behind this character.
    fn after(self, character: char) -> Self {
        match (self, character) {
            (Self::OutsideQuotes, '"') => Self::WithinQuotes,
            (Self::OutsideQuotes, _) | (Self::WithinQuotes, '"') => Self::OutsideQuotes,
            (Self::WithinQuotes, '\\') => Self::InEscape,
            (Self::InEscape, 'u') => Self::InDigits(4),
            (Self::InDigits(left), _) if left > 1 => Self::InDigits(left - 1),
            (Self::WithinQuotes | Self::InEscape | Self::InDigits(_), _) => Self::WithinQuotes,
        }
    }
}

/// Gives each placeholder its form, by its place in the body.
fn placed(pieces: Vec<Piece<'_>>, format: Format) -> Result<Vec<Part>, String> {
    let mut place = Place::OutsideQuotes;
    let mut parts = Vec::new();
    for piece in pieces {
        parts.push(match (piece, place) {
            (Piece::Literal(text), _) => {
                place = text.chars().fold(place, Place::after);
                Part::Literal(text.to_owned())
            }
            (Piece::Field(field), _) if format != Format::Json => Part::Text(field),
            (Piece::Field(field), Place::WithinQuotes) => Part::Text(field),
            (Piece::Field(field), Place::OutsideQuotes) => Part::Value(field),
            (Piece::Field(_), Place::InEscape | Place::InDigits(_)) => {
                return Err("has a placeholder within an escape, after a backslash".into());
            }
        });
    }
    Ok(parts)
}

#[cfg(test)]
mod tests;
