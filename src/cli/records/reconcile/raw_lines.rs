//! The lines of a file as they stand, with their numbers and offsets.

use std::io::{self, BufRead, BufReader, Read, Seek, SeekFrom};

use super::source::{BYTE_ORDER_MARK, Source};

/// The place of a line in the file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Place {
    /// Number of the line, from 1.
    pub(super) number: u64,
    /// Offset of its first byte.
    pub(super) offset: u64,
}

/// A reader of lines. Each line is read into the same memory.
pub(super) struct RawLines {
    reader: BufReader<Source>,
    next: Place,
    buffer: Vec<u8>,
}

impl RawLines {
    pub(super) fn open(source: Source) -> Self {
        let next = Place { number: 1, offset: 0 };
        Self { reader: BufReader::new(source), next, buffer: Vec::new() }
    }

    /// Reads the next line, with its line end and without a byte order mark of the file. The line is empty at
    /// the end of the file, and `None` if it has more than `longest` bytes.
    ///
    /// # Errors
    /// The file cannot be read.
    pub(super) fn read(&mut self, longest: u64) -> io::Result<Option<&[u8]>> {
        self.buffer.clear();
        let count = (&mut self.reader).take(longest + 1).read_until(b'\n', &mut self.buffer)? as u64;
        if count > longest {
            return Ok(None);
        }
        let mark = if self.next.offset == 0 { BYTE_ORDER_MARK } else { b"" };
        self.next = Place { number: self.next.number + 1, offset: self.next.offset + count };
        Ok(Some(self.buffer.strip_prefix(mark).unwrap_or(&self.buffer)))
    }

    /// Returns the place of the next line.
    pub(super) fn place(&self) -> Place {
        self.next
    }

    /// Goes to the line at this place.
    ///
    /// # Errors
    /// The file cannot be read.
    pub(super) fn seek(&mut self, place: Place) -> io::Result<()> {
        self.reader.seek(SeekFrom::Start(place.offset))?;
        self.next = place;
        Ok(())
    }

    pub(super) fn source(&self) -> &Source {
        self.reader.get_ref()
    }
}
