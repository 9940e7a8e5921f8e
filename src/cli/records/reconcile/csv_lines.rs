//! The lines of a ledger in CSV (RFC 4180) with a header line.

use csv::{ByteRecord, ErrorKind, Position, Reader, ReaderBuilder};

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
        let reader = ReaderBuilder::new().has_headers(false).from_reader(source);
        let mut lines = Self { reader, columns: Vec::new(), record: ByteRecord::new() };
        lines.read()?;
        let names: Vec<_> = lines.record.iter().map(String::from_utf8_lossy).collect();
        let columns: Vec<_> = names.iter().map(|name| Column::named(name)).collect();
        if !columns.iter().any(Column::names_operation) {
            return Err(Failure::line(1, "the header has no column `execution` and no column `key`"));
        }
        for (index, column) in columns.iter().enumerate() {
            if !matches!(column, Column::Ignored | Column::Header(_)) && columns[..index].contains(column) {
                return Err(Failure::line(1, format!("the column `{}` stands twice", names[index].trim())));
            }
        }
        lines.columns = columns;
        Ok(lines)
    }

    /// Reads the next line; `None` at the end.
    ///
    /// # Errors
    /// [`Failure`] with the number of a line that is wrong, or if the file cannot be read.
    pub(super) fn next(&mut self) -> Result<Option<Line>, Failure> {
        if !self.read()? {
            return Ok(None);
        }
        let (number, offset) =
            self.record.position().map_or((0, 0), |position| (position.line(), position.byte()));
        let mut values = Values::default();
        for (column, value) in self.columns.iter().zip(&self.record) {
            if matches!(column, Column::Ignored) {
                continue;
            }
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

    fn read(&mut self) -> Result<bool, Failure> {
        let (number, offset) = (self.reader.position().line(), self.reader.position().byte());
        self.reader.get_mut().allow_line_at(offset);
        let too_long = || Failure::line(number, "the line has more than 1 MiB; is a quote missing?");
        let is_read = self.reader.read_byte_record(&mut self.record).map_err(|error| match error.kind() {
            ErrorKind::UnequalLengths { pos, expected_len, len } => Failure::line(
                pos.as_ref().map_or(number, Position::line),
                format!("the header has {expected_len} columns, and this line has {len}"),
            ),
            ErrorKind::Io(error) if error.kind() == std::io::ErrorKind::FileTooLarge => too_long(),
            _ => Failure::Failed(error.to_string()),
        })?;
        match self.reader.position().byte() - offset > LONGEST_LINE {
            true => Err(too_long()),
            false => Ok(is_read),
        }
    }
}
