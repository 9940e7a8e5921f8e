//! The directory of one store. The file `DIR/oncegate-store` shows whether the directory is a store, whether
//! another process has it open, and whether its creation was finished.
//!
//! The file is locked while the store is open. It is empty while the store is being created, and contains
//! [`FORMAT`] after that. A creation that was cut short starts over, because nothing can have been
//! acknowledged by then. A finished store without its data is refused instead of being taken for an empty
//! one.

use std::fmt;
use std::fs::{self, File, OpenOptions, TryLockError};
use std::io::{self, Read, Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};

use super::modes;

pub(super) const MARKER: &str = "oncegate-store";
const DATA: &str = "data";
const FORMAT: &str = "oncegate embedded store, format 1\n";

const FORMAT_NAME: &str = "oncegate embedded store, format ";
/// Pointer to the documentation, for the operator of a damaged store.
const READ_ON: &str =
    "what to do is described in docs/stores.md, \"When records are lost, or a backup is restored\"";

/// Tells whether a format's number may be printed: a damaged file can contain anything.
fn is_short_text(number: &str) -> bool {
    number.len() <= 16 && number.trim().chars().all(|char| char.is_ascii_graphic())
}

/// The reason why a directory cannot be opened as a store. Every variant names the directory.
#[derive(Debug)]
pub enum OpenError {
    /// Another process, or another store in this process, has the directory open.
    InUse(PathBuf),
    /// The directory holds files, and they are not a store's.
    Foreign(PathBuf),
    /// The store has a format that this version does not know.
    Format {
        /// The directory.
        dir: PathBuf,
        /// Content of the marker.
        found: String,
    },
    /// The content cannot be that of a store that was closed or was cut off by a crash.
    Damaged {
        /// The directory.
        dir: PathBuf,
        /// Description of the damage.
        cause: String,
    },
    /// The file system refused.
    Io {
        /// The directory.
        dir: PathBuf,
        /// Error of the file system.
        source: io::Error,
    },
}

impl OpenError {
    /// Tells whether waiting may help: another process that has the store open may be about to end.
    #[must_use]
    pub fn may_pass(&self) -> bool {
        matches!(self, Self::InUse(_))
    }
}

impl fmt::Display for OpenError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::InUse(dir) => {
                write!(f, "the store in {} is in use: one gateway at a time can have it", dir.display())
            }
            Self::Foreign(dir) => write!(
                f,
                "{} holds files and no store: name an empty directory or one that does not exist yet",
                dir.display()
            ),
            Self::Format { dir, found } => match found.strip_prefix(FORMAT_NAME) {
                Some(number) if is_short_text(number) => write!(
                    f,
                    "the store in {} has format {}, which is not known here: run the version of Oncegate \
                     that wrote it, or name another directory",
                    dir.display(),
                    number.trim()
                ),
                _ => write!(
                    f,
                    "the file {MARKER} in {} is not what a store writes there; {READ_ON}",
                    dir.display()
                ),
            },
            Self::Damaged { dir, cause } => {
                write!(f, "the store in {} is damaged: {cause}; {READ_ON}", dir.display())
            }
            Self::Io { dir, source } => {
                write!(f, "the store in {} cannot be opened: {source}", dir.display())
            }
        }
    }
}

impl std::error::Error for OpenError {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        match self {
            Self::Io { source, .. } => Some(source),
            _ => None,
        }
    }
}

/// A directory that stays locked until the value is dropped.
pub(super) struct Directory {
    path: PathBuf,
    marker: File,
    finished: bool,
}

impl Directory {
    /// Locks `path`. Creates the directory if it does not exist.
    pub(super) fn lock(path: &Path) -> Result<Self, OpenError> {
        let failed = |source| OpenError::Io { dir: path.to_owned(), source };
        modes::make(path).map_err(failed)?;
        if holds_other_files(path).map_err(failed)? {
            return Err(OpenError::Foreign(path.to_owned()));
        }
        let marker = path.join(MARKER);
        let marker = OpenOptions::new().read(true).write(true).create(true).truncate(false).open(marker);
        Self::locked(path, marker.map_err(failed)?)
    }

    fn locked(path: &Path, mut marker: File) -> Result<Self, OpenError> {
        let failed = |source| OpenError::Io { dir: path.to_owned(), source };
        match marker.try_lock() {
            Ok(()) => {}
            Err(TryLockError::WouldBlock) => return Err(OpenError::InUse(path.to_owned())),
            Err(TryLockError::Error(source)) => return Err(failed(source)),
        }
        let mut found = Vec::new();
        marker.read_to_end(&mut found).map_err(failed)?;
        match &*String::from_utf8_lossy(&found) {
            FORMAT => Ok(Self { path: path.to_owned(), marker, finished: true }),
            // A crash may also leave a part of the text, or as many zeros.
            part if FORMAT.starts_with(part.trim_end_matches('\0')) => {
                Ok(Self { path: path.to_owned(), marker, finished: false })
            }
            other => Err(OpenError::Format { dir: path.to_owned(), found: other.to_owned() }),
        }
    }

    /// Checks whether [`Directory::lock`] and [`Directory::data`] would succeed, and creates nothing.
    pub(super) fn check(path: &Path) -> Result<(), OpenError> {
        let failed = |source| OpenError::Io { dir: path.to_owned(), source };
        if holds_other_files(path).map_err(failed)? {
            return Err(OpenError::Foreign(path.to_owned()));
        }
        let marker = OpenOptions::new().read(true).write(true).open(path.join(MARKER)).map_err(failed)?;
        let there = Self::locked(path, marker)?;
        let data = path.join(DATA).join("version").try_exists().map_err(failed)?;
        if there.finished && !data { Err(there.damaged("its data is missing".into())) } else { Ok(()) }
    }

    /// Returns the path at which the engine keeps its files.
    ///
    /// Only data that the engine itself never finished is removed: the engine writes its version last, and
    /// nothing can have been acknowledged before that.
    pub(super) fn data(&self) -> Result<PathBuf, OpenError> {
        let data = self.path.join(DATA);
        let there = data.join("version").try_exists().map_err(|source| self.failed(source))?;
        match (there, self.finished) {
            (true, _) => return Ok(data),
            (false, true) => return Err(self.damaged("its data is missing".into())),
            (false, false) => {}
        }
        match fs::remove_dir_all(&data) {
            Err(source) if source.kind() != io::ErrorKind::NotFound => Err(self.failed(source)),
            _ => Ok(data),
        }
    }

    /// Writes down that the store is complete. Returns true if it was not complete before.
    pub(super) fn finish(&mut self) -> Result<bool, OpenError> {
        if self.finished {
            return Ok(false);
        }
        self.write_marker().map_err(|source| self.failed(source))?;
        self.finished = true;
        Ok(true)
    }

    fn write_marker(&mut self) -> io::Result<()> {
        self.marker.set_len(0)?;
        self.marker.seek(SeekFrom::Start(0))?;
        self.marker.write_all(FORMAT.as_bytes())?;
        self.marker.sync_all()?;
        // The names of the marker and of the data lie in the directory itself. The name of the directory lies
        // in the one above.
        File::open(&self.path)?.sync_all()?;
        match self.path.canonicalize()?.parent() {
            Some(above) => File::open(above)?.sync_all(),
            None => Ok(()),
        }
    }

    /// Returns the error for `cause` in this directory.
    pub(super) fn damaged(&self, cause: String) -> OpenError {
        OpenError::Damaged { dir: self.path.clone(), cause }
    }

    fn failed(&self, source: io::Error) -> OpenError {
        OpenError::Io { dir: self.path.clone(), source }
    }
}

/// Tells whether there are files in `path` although it is not a store's directory.
fn holds_other_files(path: &Path) -> io::Result<bool> {
    if path.join(MARKER).try_exists()? {
        return Ok(false);
    }
    for entry in fs::read_dir(path)? {
        // Another process may make the same store at this moment.
        if entry?.file_name() != MARKER {
            return Ok(true);
        }
    }
    Ok(false)
}
