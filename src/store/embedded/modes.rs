//! Who may read the store's files: its own user, nobody else. Stored answers are what somebody was told
//! about a payment.
//!
//! The directory and what the engine makes in it are private from the start, for the process that serves
//! sets its umask so. A store that an earlier release made is tightened when it is opened. Directories
//! above the store are left as they are.

use std::fs::{self, DirBuilder, Permissions};
use std::io;
use std::os::unix::fs::{DirBuilderExt, MetadataExt, PermissionsExt};
use std::path::Path;

/// What others than the owner may do.
const OTHERS: u32 = 0o077;

/// Makes the directory `path`, private. One that exists stays as it is.
pub(super) fn make(path: &Path) -> io::Result<()> {
    if path.is_dir() {
        return Ok(());
    }
    if let Some(above) = path.parent() {
        fs::create_dir_all(above)?;
    }
    match DirBuilder::new().mode(0o700).create(path) {
        // Another process may make the same store at this moment.
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists && path.is_dir() => Ok(()),
        made => made,
    }
}

/// Takes from everybody but the owner what they may do with the store in `dir`, and tells of it where it
/// held anything before.
pub(super) fn tighten(dir: &Path, is_new: bool) {
    match tighten_all(dir) {
        Ok(changed) if is_new || !changed => {}
        Ok(_) => tracing::warn!(
            store = %dir.display(),
            "other users of this machine could read the stored answers; only the store's own user can now"
        ),
        Err(error) => tracing::warn!(
            store = %dir.display(),
            "other users of this machine may be able to read the stored answers, and their rights cannot be \
             taken away: {error}"
        ),
    }
}

/// Whether anything had to be changed. What lies deeper is looked at even where a directory cannot be changed.
fn tighten_all(path: &Path) -> io::Result<bool> {
    let found = fs::symlink_metadata(path)?;
    if found.is_symlink() {
        return Ok(false);
    }
    let mut outcome = tighten_one(path, found.mode());
    if found.is_dir() {
        for entry in fs::read_dir(path)? {
            match tighten_all(&entry?.path()) {
                // The engine removes files at any time.
                Err(error) if error.kind() == io::ErrorKind::NotFound => {}
                Ok(changed) => outcome = outcome.map(|before| before || changed),
                failed => outcome = outcome.and(failed),
            }
        }
    }
    outcome
}

fn tighten_one(path: &Path, mode: u32) -> io::Result<bool> {
    if mode & OTHERS == 0 {
        return Ok(false);
    }
    fs::set_permissions(path, Permissions::from_mode(mode & 0o7777 & !OTHERS))?;
    Ok(true)
}
