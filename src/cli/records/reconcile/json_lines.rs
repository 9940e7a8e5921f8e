//! The lines of a ledger in JSON Lines: one object a line.

use std::borrow::Cow;
use std::collections::BTreeSet;
use std::fmt;

use serde::de::{Deserialize, Deserializer, MapAccess, Visitor};
use serde_json::value::RawValue;

use super::failure::Failure;
use super::line::{Column, Line, Values};
use super::raw_lines::{Place, RawLines};
use super::source::LONGEST_LINE;

/// Reads the next line that is not empty; `None` at the end.
///
/// # Errors
/// [`Failure`] with the number of a line that is wrong, or if the file cannot be read.
pub(super) fn next(raw: &mut RawLines) -> Result<Option<Line>, Failure> {
    loop {
        let Place { number, offset } = raw.place();
        let Some(text) = raw.read(LONGEST_LINE)? else {
            return Err(Failure::line(number, "the line has more than 1 MiB"));
        };
        if text.is_empty() {
            return Ok(None);
        }
        let text = text.trim_ascii();
        if !text.is_empty() {
            return line(text, number, offset).map(Some).map_err(|why| Failure::line(number, why));
        }
    }
}

fn line(text: &[u8], number: u64, offset: u64) -> Result<Line, String> {
    let Members(members) = serde_json::from_slice(text).map_err(|error| match error.is_data() {
        true => "this is not a JSON object".to_owned(),
        false => format!("this is not JSON: {}", position_of(&error)),
    })?;
    let (mut values, mut names) = (Values::default(), BTreeSet::new());
    for (name, value) in members {
        let column = Column::named(&name);
        if let Some(value) = text_of(&column, value).map_err(|why| format!("{name}: {why}"))? {
            values.set(&column, &value);
        }
        // JSON does not say which of two members counts.
        if !names.insert(name.trim().to_ascii_lowercase()) {
            return Err("a member stands twice in this line".into());
        }
    }
    values.line(number, offset)
}

/// The members of a JSON object in their order.
struct Members<'t>(Vec<(String, &'t RawValue)>);

impl<'t> Deserialize<'t> for Members<'t> {
    fn deserialize<D: Deserializer<'t>>(from: D) -> Result<Self, D::Error> {
        from.deserialize_map(MembersVisitor)
    }
}

struct MembersVisitor;

impl<'t> Visitor<'t> for MembersVisitor {
    type Value = Members<'t>;

    fn expecting(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str("an object")
    }

    fn visit_map<A: MapAccess<'t>>(self, mut map: A) -> Result<Self::Value, A::Error> {
        let mut members = Vec::new();
        while let Some(member) = map.next_entry()? {
            members.push(member);
        }
        Ok(Members(members))
    }
}

/// Returns where in its line an error is. The text of the error may repeat a value.
fn position_of(error: &serde_json::Error) -> String {
    match error.is_eof() {
        true => "it ends too early".into(),
        false => format!("see column {}", error.column()),
    }
}

/// Returns the value of a member as text; `None` if it is null, or if it is no value of the column.
fn text_of<'v>(column: &Column, value: &'v RawValue) -> Result<Option<Cow<'v, str>>, &'static str> {
    let json = value.get();
    match json.as_bytes()[0] {
        b'"' => {
            serde_json::from_str(json).map(|text: String| Some(text.into())).map_err(|_| "this is not text")
        }
        b'n' => Ok(None),
        b'{' | b'[' if matches!(column, Column::Header(_) | Column::Ignored) => Ok(None),
        b'{' | b'[' if *column != Column::Body => Err("expected text or a number"),
        _ => Ok(Some(json.into())),
    }
}
