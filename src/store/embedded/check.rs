//! A check of a store without opening it: opening creates what is missing, and notes the time when the store
//! is closed.

use std::io;
use std::path::Path;

use super::directory::Directory;
use super::{EmbeddedStore, OpenError};

/// The state of a directory, as a gateway that starts with it would find it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum DirectoryState {
    /// There is no store; a start creates one.
    Absent,
    /// A gateway has the store open.
    InUse,
    /// There is a store; a start opens it.
    There,
}

impl EmbeddedStore {
    /// Examines `dir`, and changes nothing there.
    ///
    /// # Errors
    /// [`OpenError`] that would keep a gateway from opening the store, as far as that shows from outside.
    pub fn check(dir: &Path) -> Result<DirectoryState, OpenError> {
        if is_absent(dir).map_err(|source| OpenError::Io { dir: dir.to_owned(), source })? {
            return Ok(DirectoryState::Absent);
        }
        match Directory::check(dir) {
            Ok(()) => Ok(DirectoryState::There),
            Err(OpenError::InUse(_)) => Ok(DirectoryState::InUse),
            Err(error) => Err(error),
        }
    }
}

/// Tells whether the directory does not exist or is empty. A path with a file where a directory should be is
/// an error.
fn is_absent(dir: &Path) -> io::Result<bool> {
    match std::fs::read_dir(dir) {
        Ok(mut entries) => Ok(entries.next().is_none()),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(true),
        Err(error) => Err(error),
    }
}
