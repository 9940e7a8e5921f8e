//! The directory of the demo, which is removed when the demo ends.

use std::fs::{self, DirBuilder};
use std::io;
use std::os::unix::fs::DirBuilderExt;
use std::path::{Path, PathBuf};

use crate::cli::output::print_error;

/// A directory inside the system's temporary directory that only this user can read. Dropping the value
/// removes the directory with its contents.
pub(super) struct Directory(PathBuf);

impl Directory {
    /// Creates a directory with a random name that cannot be guessed.
    pub(super) fn create() -> io::Result<Self> {
        let mut random = [0; 8];
        getrandom::fill(&mut random).map_err(io::Error::other)?;
        let name = format!("oncegate-demo-{:016x}", u64::from_ne_bytes(random));
        // The path is absolute because the gateway that gets it runs in another directory.
        let path = std::path::absolute(std::env::temp_dir())?.join(name);
        let created = DirBuilder::new().mode(0o700).create(&path);
        created.map_err(|error| io::Error::new(error.kind(), format!("{}: {error}", path.display())))?;
        Ok(Self(path))
    }

    pub(super) fn path(&self) -> &Path {
        &self.0
    }
}

impl Drop for Directory {
    fn drop(&mut self) {
        if let Err(error) = fs::remove_dir_all(&self.0) {
            print_error(format_args!("oncegate: {} is left behind: {error}", self.0.display()));
        }
    }
}
