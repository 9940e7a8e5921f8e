//! The file of a ledger, in either format.

use std::fs::File;
use std::io::{BufReader, ErrorKind, Read, Seek};
use std::path::Path;
use std::time::SystemTime;

use super::csv_lines::CsvLines;
use super::failure::Failure;
use super::json_lines::JsonLines;
use super::line::{LedgerResponse, Line};
use super::source::Source;

/// Number of bytes in which the format shows.
const BEGINNING: usize = 4096;

/// An open ledger.
pub(super) struct Ledger {
    lines: Lines,
    /// The file, to look whether it changes.
    file: File,
    stamp: Stamp,
}

enum Lines {
    Csv(CsvLines),
    Json(JsonLines),
}

/// The facts by which a change of the file shows.
#[derive(Clone, Copy, PartialEq, Eq)]
struct Stamp {
    length: u64,
    written: SystemTime,
}

impl Ledger {
    /// Opens a file. A file with `{` as its first character is JSON Lines, and any other one is CSV.
    ///
    /// # Errors
    /// [`Failure`] if the file cannot be read, is empty, or has a header line that names no operation.
    pub(super) fn open(path: &Path) -> Result<Self, Failure> {
        let mut file = File::open(path)?;
        if !file.metadata()?.is_file() {
            return Err(Failure::Usage("this is not a regular file; it is read more than once".into()));
        }
        let stamp = Stamp::of(&file)?;
        let beginning = beginning(&mut file)?;
        let source = Source::new(file.try_clone()?);
        let text = beginning.strip_prefix(b"\xef\xbb\xbf").unwrap_or(&beginning).trim_ascii_start();
        let lines = match text.first() {
            None => return Err(Failure::Usage("there is no line in this file".into())),
            Some(b'{') => Lines::Json(JsonLines::open(source)),
            Some(_) => Lines::Csv(CsvLines::open(source)?),
        };
        Ok(Self { lines, file, stamp })
    }

    /// Reads the next line; `None` at the end.
    ///
    /// # Errors
    /// [`Failure`] with the number of a line that is wrong, or if the file cannot be read.
    pub(super) fn next(&mut self) -> Result<Option<Line>, Failure> {
        match &mut self.lines {
            Lines::Csv(lines) => lines.next(),
            Lines::Json(lines) => lines.next(),
        }
    }

    /// Reads the response in the line with this number and offset.
    pub(super) fn response_at(
        &mut self,
        number: u64,
        offset: u64,
    ) -> Result<Option<LedgerResponse>, Failure> {
        match &mut self.lines {
            Lines::Csv(lines) => lines.seek(number, offset)?,
            Lines::Json(lines) => lines.seek(number, offset)?,
        }
        Ok(self.next()?.and_then(|line| line.response))
    }

    /// Returns the SHA-256 of the file, after its end was reached.
    pub(super) fn digest(&self) -> String {
        match &self.lines {
            Lines::Csv(lines) => lines.source().digest(),
            Lines::Json(lines) => lines.source().digest(),
        }
    }

    /// Returns the number of bytes that were read.
    pub(super) fn offset(&self) -> u64 {
        match &self.lines {
            Lines::Csv(lines) => lines.offset(),
            Lines::Json(lines) => lines.offset(),
        }
    }

    pub(super) fn length(&self) -> u64 {
        self.stamp.length
    }

    /// Returns when the file was last written.
    pub(super) fn written(&self) -> SystemTime {
        self.stamp.written
    }

    /// Checks that the file did not change since it was opened.
    ///
    /// # Errors
    /// [`Failure`] if it did.
    pub(super) fn check_unchanged(&self) -> Result<(), Failure> {
        match Stamp::of(&self.file)? == self.stamp {
            true => Ok(()),
            false => {
                Err(Failure::Failed("the file was changed while it was read; nothing was applied".into()))
            }
        }
    }
}

impl Stamp {
    fn of(file: &File) -> Result<Self, Failure> {
        let metadata = file.metadata()?;
        Ok(Self { length: metadata.len(), written: metadata.modified()? })
    }
}

/// Reads the beginning of the file, and goes back to it.
fn beginning(file: &mut File) -> Result<Vec<u8>, Failure> {
    let mut bytes = Vec::new();
    let read = BufReader::new(&mut *file).take(BEGINNING as u64).read_to_end(&mut bytes);
    match read {
        Err(error) if error.kind() == ErrorKind::IsADirectory => {
            return Err(Failure::Usage("this is a directory".into()));
        }
        read => read?,
    };
    file.rewind()?;
    Ok(bytes)
}
