//! The lines of a ledger in JSON Lines: one object a line.

use std::borrow::Cow;
use std::collections::BTreeSet;
use std::fmt;
use std::io::{BufRead, BufReader, Read, Seek, SeekFrom};

use serde::de::{Deserialize, Deserializer, MapAccess, Visitor};
use serde_json::value::RawValue;

use super::failure::Failure;
use super::line::{Column, Line, Values};
use super::source::{BYTE_ORDER_MARK, LONGEST_LINE, Source};

/// A reader of lines.
pub(super) struct JsonLines {
    reader: BufReader<Source>,
    /// Number of the next line.
    number: u64,
    /// Offset of the next line.
    offset: u64,
    buffer: Vec<u8>,
}

impl JsonLines {
    pub(super) fn open(source: Source) -> Self {
        Self { reader: BufReader::new(source), number: 1, offset: 0, buffer: Vec::new() }
    }

    /// Reads the next line that is not empty; `None` at the end.
    ///
    /// # Errors
    /// [`Failure`] with the number of a line that is wrong, or if the file cannot be read.
    pub(super) fn next(&mut self) -> Result<Option<Line>, Failure> {
        loop {
            let (number, offset) = (self.number, self.offset);
            if !self.read()? {
                return Ok(None);
            }
            let text = self.buffer.strip_prefix(BYTE_ORDER_MARK).unwrap_or(&self.buffer).trim_ascii();
            if !text.is_empty() {
                return line(text, number, offset).map(Some).map_err(|why| Failure::line(number, why));
            }
        }
    }

    /// Goes to the line with this number and offset.
    pub(super) fn seek(&mut self, number: u64, offset: u64) -> Result<(), Failure> {
        self.reader.seek(SeekFrom::Start(offset))?;
        (self.number, self.offset) = (number, offset);
        Ok(())
    }

    pub(super) fn source(&self) -> &Source {
        self.reader.get_ref()
    }

    /// Returns the offset of the next line.
    pub(super) fn offset(&self) -> u64 {
        self.offset
    }

    fn read(&mut self) -> Result<bool, Failure> {
        self.buffer.clear();
        let count = (&mut self.reader).take(LONGEST_LINE + 1).read_until(b'\n', &mut self.buffer)? as u64;
        if count > LONGEST_LINE {
            return Err(Failure::line(self.number, "the line has more than 1 MiB"));
        }
        self.number += 1;
        self.offset += count;
        Ok(count > 0)
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
