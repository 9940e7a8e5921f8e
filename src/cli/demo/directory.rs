//! A directory of the demo's own, gone when the demo is.

use std::fs::{self, DirBuilder};
use std::io;
use std::os::unix::fs::DirBuilderExt;
use std::path::{Path, PathBuf};

use crate::cli::output::complain;

/// A directory under the system's temporary one that only this user can read. Dropping it removes
/// it with everything in it.
pub(super) struct Directory(PathBuf);

impl Directory {
    /// Makes one with a name that nobody can have guessed.
    pub(super) fn create() -> io::Result<Self> {
        let mut random = [0; 8];
        getrandom::fill(&mut random).map_err(io::Error::other)?;
        let name = format!("oncegate-demo-{:016x}", u64::from_ne_bytes(random));
        // Absolute, because the gateway that is told of it works in another directory.
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
            complain(format_args!("oncegate: {} is left behind: {error}", self.0.display()));
        }
    }
}
