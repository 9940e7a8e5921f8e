//! The file of a ledger as a stream of bytes that counts, digests and bounds.

use std::fs::File;
use std::io::{self, Read, Seek, SeekFrom};

use sha2::{Digest, Sha256};

/// Longest line, in bytes.
pub(super) const LONGEST_LINE: u64 = 1024 * 1024;

/// Number of bytes that a reader may take beyond the end of a line.
const READ_AHEAD: u64 = 64 * 1024;

/// A file that is read from its beginning to its end, or at single places.
pub(super) struct Source {
    file: File,
    digest: Sha256,
    /// Offset of the next byte.
    at: u64,
    /// Offset that no byte is read beyond.
    bound: u64,
}

impl Source {
    /// Creates the stream of `file`, which stands at its beginning.
    pub(super) fn new(file: File) -> Self {
        Self { file, digest: Sha256::new(), at: 0, bound: LONGEST_LINE + READ_AHEAD }
    }

    /// Allows to read a line that begins at `offset`.
    pub(super) fn allow_line_at(&mut self, offset: u64) {
        self.bound = offset + LONGEST_LINE + READ_AHEAD;
    }

    /// Returns the SHA-256 of all bytes so far, in hexadecimal digits.
    pub(super) fn digest(&self) -> String {
        self.digest.clone().finalize().iter().map(|byte| format!("{byte:02x}")).collect()
    }
}

impl Read for Source {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        if self.at >= self.bound {
            return Err(io::Error::new(io::ErrorKind::FileTooLarge, "the line is too long"));
        }
        let count = self.file.read(buffer)?;
        self.digest.update(&buffer[..count]);
        self.at += count as u64;
        Ok(count)
    }
}

impl Seek for Source {
    fn seek(&mut self, to: SeekFrom) -> io::Result<u64> {
        self.at = self.file.seek(to)?;
        Ok(self.at)
    }
}
