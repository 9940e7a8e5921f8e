//! The lines of a ledger in CSV with a header line.

use super::csv_values::CsvValues;
use super::failure::Failure;
use super::line::{Column, Line, Values};
use super::raw_lines::{Place, RawLines};
use super::source::LONGEST_LINE;

/// The columns of the file, and the values of one record.
#[derive(Default)]
pub(super) struct CsvLines {
    columns: Vec<Column>,
    values: CsvValues,
}

impl CsvLines {
    /// Reads the header line.
    ///
    /// # Errors
    /// [`Failure`] if the file cannot be read, or if the header names no operation, or a column twice.
    pub(super) fn open(raw: &mut RawLines) -> Result<Self, Failure> {
        let mut lines = Self::default();
        let number = lines.read(raw)?.map_or(1, |place| place.number);
        lines.columns = columns(&lines.values).map_err(|why| Failure::line(number, why))?;
        Ok(lines)
    }

    /// Reads the next line that is not empty; `None` at the end.
    ///
    /// # Errors
    /// [`Failure`] with the number of a line that is wrong, or if the file cannot be read.
    pub(super) fn next(&mut self, raw: &mut RawLines) -> Result<Option<Line>, Failure> {
        let Some(Place { number, offset }) = self.read(raw)? else { return Ok(None) };
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

    /// Reads the next record that is not an empty line, and returns its place; `None` at the end. A record
    /// has several lines if a value in quotes has line ends.
    fn read(&mut self, raw: &mut RawLines) -> Result<Option<Place>, Failure> {
        self.values.clear();
        let mut place = raw.place();
        loop {
            let begun = raw.place().offset - place.offset;
            let Some(line) = raw.read(LONGEST_LINE - begun)? else {
                let why = "the line has more than 1 MiB; is a quote missing?";
                return Err(Failure::line(place.number, why));
            };
            match line {
                b"" if begun == 0 => return Ok(None),
                b"\n" | b"\r" | b"\r\n" if begun == 0 => place = raw.place(),
                line => {
                    if self.values.take(line).map_err(|why| Failure::line(place.number, why))? {
                        return Ok(Some(place));
                    }
                }
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
