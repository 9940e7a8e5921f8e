//! Random bytes with which every batch of this store begins, and which no caller ever sees.
//!
//! A journal holds what callers chose: bodies, above all. So nothing in it that follows a torn write can
//! be taken for a later write by its form alone. The mark is the first item of each batch, at a fixed
//! place, and lies in `DIR/oncegate-mark`, for it is needed before the engine opens its files. Batches
//! that an earlier release wrote have none.

use std::fs::{self, File};
use std::io::{self, Write};
use std::path::Path;

use memchr::memmem;

use crate::random;

const NAME: &str = "oncegate-mark";
const LENGTH: usize = 16;

/// The key of the mark in the table of single values.
pub(super) const KEY: &[u8] = b"mark";

/// From the start of a batch to the bytes of its mark: the batch's own head (13), the item's (21), its key.
const PLACE: usize = 13 + 21 + KEY.len();

/// The mark of one store.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) struct Mark {
    bytes: [u8; LENGTH],
    /// The number of the first journal that has no batches from before there was a mark.
    first: u64,
}

impl Mark {
    /// A new one, for all that is written to journals from the number `first` on.
    pub(super) fn random(first: u64) -> Self {
        Self { bytes: random::bytes(), first }
    }

    /// Whether all batches in a journal have the mark.
    pub(super) fn is_throughout(&self, journal: u64) -> bool {
        journal >= self.first
    }

    /// The mark of the store in `dir`; `None` if it has none yet, or a file that a crash left in part.
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

    /// Writes it down in `dir`. It is there after a crash once this returns.
    pub(super) fn write(&self, dir: &Path) -> io::Result<()> {
        let mut file = File::create(dir.join(NAME))?;
        file.write_all(&[&self.bytes[..], &self.first.to_le_bytes()].concat())?;
        file.sync_all()?;
        File::open(dir)?.sync_all()
    }

    /// The value of the item at the start of each batch.
    pub(super) fn as_bytes(&self) -> &[u8] {
        &self.bytes
    }

    /// Whether the batch that starts with `bytes`, be it whole or not, begins with the mark.
    pub(super) fn begins(&self, bytes: &[u8]) -> bool {
        bytes.get(PLACE..).is_some_and(|item| item.starts_with(&self.bytes))
    }

    /// Whether another batch begins behind the one that starts with `rest`.
    pub(super) fn begins_behind(&self, rest: &[u8]) -> bool {
        memmem::find_iter(rest, &self.bytes).any(|at| at > PLACE)
    }

    /// How many bytes of a batch show its mark.
    pub(super) const SHOWN_BY: usize = PLACE + LENGTH;
}
