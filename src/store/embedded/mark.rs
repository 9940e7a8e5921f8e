//! The mark: random bytes with which every batch of this store begins, and which no caller ever sees.
//!
//! A journal holds bytes that clients chose, above all bodies. The form of the bytes behind a torn write
//! alone therefore never proves that they are a later write. The mark is the first item of each batch, at a
//! fixed place. It lies in `DIR/oncegate-mark`, because it is needed before the engine opens its files.
//! Batches that an earlier release wrote have no mark.

use std::fs::{self, File};
use std::io::{self, Write};
use std::path::Path;

use memchr::memmem;

use crate::random;

const NAME: &str = "oncegate-mark";
const LENGTH: usize = 16;

/// The key of the mark in the table of single values.
pub(super) const KEY: &[u8] = b"mark";

/// Offset of the mark's bytes from the start of a batch: the batch's own head (13), the item's head (21), its
/// key.
const PLACE: usize = 13 + 21 + KEY.len();

/// The mark of one store.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) struct Mark {
    bytes: [u8; LENGTH],
    /// Number of the first journal without batches from before there was a mark.
    first: u64,
}

impl Mark {
    /// Creates a new mark for all that is written to journals from the number `first` on.
    pub(super) fn random(first: u64) -> Self {
        Self { bytes: random::bytes(), first }
    }

    /// Tells whether all batches in a journal have the mark.
    pub(super) fn is_throughout(&self, journal: u64) -> bool {
        journal >= self.first
    }

    /// Reads the mark of the store in `dir`. Returns `None` if the store has none yet, or only a file that a
    /// crash left in part.
    pub(super) fn read(dir: &Path) -> io::Result<Option<Self>> {
        match fs::read(dir.join(NAME)) {
            Ok(bytes) => Ok(Self::of(&bytes)),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
            Err(error) => Err(error),
        }
    }

    fn of(bytes: &[u8]) -> Option<Self> {
        let (bytes, first) = bytes.split_first_chunk()?;
        let first = u64::from_le_bytes(first.try_into().ok()?);
        (*bytes != [0; LENGTH]).then_some(Self { bytes: *bytes, first })
    }

    /// Writes the mark down in `dir`. Once this returns, the mark is there after a crash.
    pub(super) fn write(&self, dir: &Path) -> io::Result<()> {
        let mut file = File::create(dir.join(NAME))?;
        file.write_all(&[&self.bytes[..], &self.first.to_le_bytes()].concat())?;
        file.sync_all()?;
        File::open(dir)?.sync_all()
    }

    /// Returns the value of the item at the start of each batch.
    pub(super) fn as_bytes(&self) -> &[u8] {
        &self.bytes
    }

    /// Tells whether the batch that starts with `bytes`, complete or not, begins with the mark.
    pub(super) fn begins(&self, bytes: &[u8]) -> bool {
        bytes.get(PLACE..).is_some_and(|item| item.starts_with(&self.bytes))
    }

    /// Tells whether another batch begins behind the batch that starts with `rest`.
    pub(super) fn begins_behind(&self, rest: &[u8]) -> bool {
        memmem::find_iter(rest, &self.bytes).any(|at| at > PLACE)
    }

    /// Number of bytes of a batch that show its mark.
    pub(super) const SHOWN_BY: usize = PLACE + LENGTH;
}
