//! Looking at a store without opening it: opening makes what is not there and notes the time when it ends.

use std::io;
use std::path::Path;

use super::directory::Directory;
use super::{EmbeddedStore, OpenError};

/// What a directory is to a gateway that would start with it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Seen {
    /// There is no store; a start makes one.
    Absent,
    /// A gateway has it open.
    InUse,
    /// A start opens it.
    There,
}

impl EmbeddedStore {
    /// Looks at `dir`, and changes nothing there.
    ///
    /// # Errors
    /// What would keep a gateway from opening it, as far as that shows from outside.
    pub fn look(dir: &Path) -> Result<Seen, OpenError> {
        if is_absent(dir).map_err(|source| OpenError::Io { dir: dir.to_owned(), source })? {
            return Ok(Seen::Absent);
        }
        match Directory::look(dir) {
            Ok(()) => Ok(Seen::There),
            Err(OpenError::InUse(_)) => Ok(Seen::InUse),
            Err(error) => Err(error),
        }
    }
}

/// Whether the directory does not exist or is empty. What is above it must be a directory.
fn is_absent(dir: &Path) -> io::Result<bool> {
    match std::fs::read_dir(dir) {
        Ok(mut entries) => Ok(entries.next().is_none()),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(true),
        Err(error) => Err(error),
    }
}
