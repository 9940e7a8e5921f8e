//! The lines of a ledger in CSV (RFC 4180) with a header line.
//!
//! A line ends with LF. A CR before it belongs to the end, too; the library would count such lines wrongly.

use csv::{ByteRecord, ErrorKind, Position, Reader, ReaderBuilder, Terminator};

use super::failure::Failure;
use super::line::{Column, Line, Values};
use super::source::{LONGEST_LINE, Source};

/// A reader of lines.
pub(super) struct CsvLines {
    reader: Reader<Source>,
    columns: Vec<Column>,
    record: ByteRecord,
}

impl CsvLines {
    /// Reads the header line.
    ///
    /// # Errors
    /// [`Failure`] if the file cannot be read, or if the header names no operation, or a column twice.
    pub(super) fn open(source: Source) -> Result<Self, Failure> {
        let reader = ReaderBuilder::new()
            .has_headers(false)
            .flexible(true)
            .terminator(Terminator::Any(b'\n'))
            .from_reader(source);
        let mut lines = Self { reader, columns: Vec::new(), record: ByteRecord::new() };
        let number = lines.read()?.map_or(1, |place| place.number);
        lines.columns = columns(&lines.record).map_err(|why| Failure::line(number, why))?;
        Ok(lines)
    }

    /// Reads the next line that is not empty; `None` at the end.
    ///
    /// # Errors
    /// [`Failure`] with the number of a line that is wrong, or if the file cannot be read.
    pub(super) fn next(&mut self) -> Result<Option<Line>, Failure> {
        let Some(Place { number, offset }) = self.read()? else { return Ok(None) };
        let (expected, count) = (self.columns.len(), self.record.len());
        if count != expected {
            let why = format!("the header has {expected} columns, and this line has {count}");
            return Err(Failure::line(number, why));
        }
        let mut values = Values::default();
        for (index, (column, value)) in self.columns.iter().zip(&self.record).enumerate() {
            if matches!(column, Column::Ignored) {
                continue;
            }
            let value = if index + 1 == count { without_cr(value) } else { value };
            let value = std::str::from_utf8(value).map_err(|_| Failure::line(number, "this is not UTF-8"))?;
            values.set(column, value);
        }
        values.line(number, offset).map(Some).map_err(|why| Failure::line(number, why))
    }

    /// Goes to the line with this number and offset.
    pub(super) fn seek(&mut self, number: u64, offset: u64) -> Result<(), Failure> {
        let mut position = Position::new();
        position.set_byte(offset).set_line(number);
        self.reader.get_mut().allow_line_at(offset);
        self.reader.seek(position).map_err(|error| Failure::Failed(error.to_string()))
    }

    pub(super) fn source(&self) -> &Source {
        self.reader.get_ref()
    }

    /// Returns the offset of the next line.
    pub(super) fn offset(&self) -> u64 {
        self.reader.position().byte()
    }

    /// Reads the next record that is not an empty line, and returns its place.
    fn read(&mut self) -> Result<Option<Place>, Failure> {
        loop {
            let (number, offset) = (self.reader.position().line(), self.offset());
            self.reader.get_mut().allow_line_at(offset);
            let too_long = || Failure::line(number, "the line has more than 1 MiB; is a quote missing?");
            let is_read =
                self.reader.read_byte_record(&mut self.record).map_err(|error| match error.kind() {
                    ErrorKind::Io(error) if error.kind() == std::io::ErrorKind::FileTooLarge => too_long(),
                    _ => Failure::Failed(error.to_string()),
                })?;
            if self.offset() - offset > LONGEST_LINE {
                return Err(too_long());
            }
            let is_empty = self.record.len() == 1 && without_cr(&self.record[0]).is_empty();
            match is_read {
                true if is_empty => {}
                true => return Ok(Some(Place { number: self.number(), offset })),
                false => return Ok(None),
            }
        }
    }

    /// Returns the number of the line that the record begins in, counted back from its end. The library would
    /// name an empty line before it.
    fn number(&self) -> u64 {
        let within = self.record.iter().flatten().filter(|byte| **byte == b'\n').count() as u64;
        let ended = u64::from(!self.source().ends_open_at(self.offset()));
        self.reader.position().line() - within - ended
    }
}

/// The place of a record in the file.
struct Place {
    number: u64,
    /// Offset of the record, or of empty lines before it.
    offset: u64,
}

fn without_cr(value: &[u8]) -> &[u8] {
    value.strip_suffix(b"\r").unwrap_or(value)
}

fn columns(header: &ByteRecord) -> Result<Vec<Column>, String> {
    let names: Vec<_> = header.iter().map(String::from_utf8_lossy).collect();
    let columns: Vec<_> = names.iter().map(|name| Column::named(name)).collect();
    if !columns.iter().any(Column::names_operation) {
        return Err("the header has no column `execution` and no column `key`".into());
    }
    for (index, column) in columns.iter().enumerate() {
        if !matches!(column, Column::Ignored | Column::Header(_)) && columns[..index].contains(column) {
            return Err(format!("the column `{}` stands twice", names[index].trim()));
        }
    }
    Ok(columns)
}
