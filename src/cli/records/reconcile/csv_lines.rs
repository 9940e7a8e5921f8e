//! The lines of a ledger in CSV with a header line.

use std::io::{BufRead, BufReader, Read, Seek, SeekFrom};

use super::csv_values::CsvValues;
use super::failure::Failure;
use super::line::{Column, Line, Values};
use super::source::{BYTE_ORDER_MARK, LONGEST_LINE, Source};

/// A reader of lines.
pub(super) struct CsvLines {
    reader: BufReader<Source>,
    columns: Vec<Column>,
    values: CsvValues,
    /// Number of the next line.
    number: u64,
    /// Offset of the next line.
    offset: u64,
    buffer: Vec<u8>,
}

/// The place of a record in the file.
struct Place {
    /// Number of its first line.
    number: u64,
    offset: u64,
}

impl CsvLines {
    /// Reads the header line.
    ///
    /// # Errors
    /// [`Failure`] if the file cannot be read, or if the header names no operation, or a column twice.
    pub(super) fn open(source: Source) -> Result<Self, Failure> {
        let mut lines = Self {
            reader: BufReader::new(source),
            columns: Vec::new(),
            values: CsvValues::default(),
            number: 1,
            offset: 0,
            buffer: Vec::new(),
        };
        let number = lines.read()?.map_or(1, |place| place.number);
        lines.columns = columns(&lines.values).map_err(|why| Failure::line(number, why))?;
        Ok(lines)
    }

    /// Reads the next line that is not empty; `None` at the end.
    ///
    /// # Errors
    /// [`Failure`] with the number of a line that is wrong, or if the file cannot be read.
    pub(super) fn next(&mut self) -> Result<Option<Line>, Failure> {
        let Some(Place { number, offset }) = self.read()? else { return Ok(None) };
        let (expected, count) = (self.columns.len(), self.values.len());
        if count != expected {
            let why = format!("the header has {expected} columns, and this line has {count}");
            return Err(Failure::line(number, why));
        }
        let mut values = Values::default();
        for (column, value) in self.columns.iter().zip(self.values.iter()) {
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

    /// Reads the next record that is not an empty line, and returns its place; `None` at the end.
    fn read(&mut self) -> Result<Option<Place>, Failure> {
        self.values.clear();
        let mut place = Place { number: self.number, offset: self.offset };
        loop {
            self.buffer.clear();
            let left = LONGEST_LINE + 1 - (self.offset - place.offset);
            let count = (&mut self.reader).take(left).read_until(b'\n', &mut self.buffer)? as u64;
            if count == left {
                let why = "the line has more than 1 MiB; is a quote missing?";
                return Err(Failure::line(place.number, why));
            }
            let is_first = self.offset == place.offset;
            if is_first && count == 0 {
                return Ok(None);
            }
            let line = match self.offset {
                0 => self.buffer.strip_prefix(BYTE_ORDER_MARK).unwrap_or(&self.buffer),
                _ => &self.buffer,
            };
            let is_empty = is_first && matches!(line, b"" | b"\n" | b"\r" | b"\r\n");
            let is_over =
                !is_empty && self.values.take(line).map_err(|why| Failure::line(place.number, why))?;
            self.number += 1;
            self.offset += count;
            if is_over {
                return Ok(Some(place));
            }
            if is_empty {
                place = Place { number: self.number, offset: self.offset };
            }
        }
    }
}

fn columns(header: &CsvValues) -> Result<Vec<Column>, String> {
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
