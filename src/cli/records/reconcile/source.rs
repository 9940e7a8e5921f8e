//! The file of a ledger as a stream of bytes with a digest.

use std::fs::File;
use std::io::{self, Read, Seek, SeekFrom};

use sha2::{Digest, Sha256};

/// Longest line, in bytes.
pub(super) const LONGEST_LINE: u64 = 1024 * 1024;

/// The bytes that some programs write at the beginning of a file in UTF-8.
pub(super) const BYTE_ORDER_MARK: &[u8] = b"\xef\xbb\xbf";

/// A file that is read from its beginning to its end, or at single places.
pub(super) struct Source {
    file: File,
    digest: Sha256,
}

impl Source {
    /// Creates the stream of `file`, which stands at its beginning.
    pub(super) fn new(file: File) -> Self {
        Self { file, digest: Sha256::new() }
    }

    /// Returns the SHA-256 of all bytes so far, in hexadecimal digits.
    pub(super) fn digest(&self) -> String {
        self.digest.clone().finalize().iter().map(|byte| format!("{byte:02x}")).collect()
    }
}

impl Read for Source {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let count = self.file.read(buffer)?;
        self.digest.update(&buffer[..count]);
        Ok(count)
    }
}

impl Seek for Source {
    fn seek(&mut self, to: SeekFrom) -> io::Result<u64> {
        self.file.seek(to)
    }
}
