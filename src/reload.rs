//! Values that are made of files, and made anew when the files change.
//!
//! Contents are compared, not times. Therefore the way in which files are replaced (renamed over, linked
//! anew, mounted again) makes no difference. When a new value cannot be made, the old one stays in use.
//! The error is reported once, not at each check. Nothing here waits or watches: the owner of the value
//! calls [`Reloading::check`].

use std::error::Error;
use std::fmt;
use std::io;
use std::path::PathBuf;
use std::sync::Arc;

use arc_swap::ArcSwap;
use parking_lot::Mutex;

use crate::regular_file;

/// An error of any type.
pub type BoxError = Box<dyn Error + Send + Sync>;

/// A function that makes the value from the contents of the files, in the order in which the files were
/// named.
type Make<T> = dyn Fn(&[Vec<u8>]) -> Result<T, BoxError> + Send + Sync;

/// A value made of files.
pub struct Reloading<T> {
    files: Vec<PathBuf>,
    make: Box<Make<T>>,
    current: ArcSwap<T>,
    /// Contents of the files at the last check.
    seen: Mutex<Vec<Vec<u8>>>,
}

/// The reason why no value could be made of the files.
#[derive(Debug, thiserror::Error)]
pub enum ReloadError {
    /// A file that cannot be read.
    #[error("{} cannot be read: {source}", path.display())]
    Unreadable {
        /// The file.
        path: PathBuf,
        /// The reason.
        source: io::Error,
    },
    /// Contents of which no value can be made.
    #[error("{0}")]
    Unusable(#[source] BoxError),
}

/// The result of a check of the files.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FileCheck {
    /// The files have not changed.
    Unchanged,
    /// The files changed, and the new value is in use.
    Reloaded,
}

impl<T> Reloading<T> {
    /// Reads the files and makes the first value.
    ///
    /// # Errors
    /// Returns the file that cannot be read, or the error of `make`.
    pub fn new(
        files: Vec<PathBuf>,
        make: impl Fn(&[Vec<u8>]) -> Result<T, BoxError> + Send + Sync + 'static,
    ) -> Result<Self, ReloadError> {
        let contents = read(&files)?;
        let current = ArcSwap::from_pointee(make(&contents).map_err(ReloadError::Unusable)?);
        Ok(Self { files, make: Box::new(make), current, seen: Mutex::new(contents) })
    }

    /// Returns the value in use.
    pub fn current(&self) -> Arc<T> {
        self.current.load_full()
    }

    /// Checks whether the files changed, and if so makes the value anew.
    ///
    /// # Errors
    /// Returns the file that cannot be read, or the error in the contents. An error in the contents is
    /// returned once. The old value stays in use.
    pub fn check(&self) -> Result<FileCheck, ReloadError> {
        let contents = read(&self.files)?;
        {
            let mut seen = self.seen.lock();
            if *seen == contents {
                return Ok(FileCheck::Unchanged);
            }
            seen.clone_from(&contents);
        }
        let made = Arc::new((self.make)(&contents).map_err(ReloadError::Unusable)?);
        self.current.store(made);
        Ok(FileCheck::Reloaded)
    }
}

impl<T> fmt::Debug for Reloading<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Reloading").field("files", &self.files).finish_non_exhaustive()
    }
}

fn read(files: &[PathBuf]) -> Result<Vec<Vec<u8>>, ReloadError> {
    let unreadable = |path: &PathBuf, source| ReloadError::Unreadable { path: path.clone(), source };
    files.iter().map(|path| regular_file::read(path).map_err(|error| unreadable(path, error))).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_failed_reload_keeps_the_old_value_and_is_reported_once() {
        let directory = tempfile::tempdir().expect("a directory");
        let file = directory.path().join("number");
        let write = |text: &str| std::fs::write(&file, text).expect("it can be written");
        write("1");
        let number = Reloading::new(vec![file.clone()], |contents| {
            let text = String::from_utf8_lossy(&contents[0]).into_owned();
            Ok(text.parse::<u32>()?)
        });
        let number = number.expect("a number");
        assert_eq!((number.check().ok(), *number.current()), (Some(FileCheck::Unchanged), 1));
        write("2");
        assert_eq!((number.check().ok(), *number.current()), (Some(FileCheck::Reloaded), 2));
        write("x");
        assert!(number.check().is_err());
        assert_eq!((number.check().ok(), *number.current()), (Some(FileCheck::Unchanged), 2));
        write("3");
        assert_eq!((number.check().ok(), *number.current()), (Some(FileCheck::Reloaded), 3));
        std::fs::remove_file(&file).expect("it can be removed");
        assert!(number.check().is_err());
        assert_eq!(*number.current(), 3);
    }
}
