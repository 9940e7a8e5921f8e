//! The access modes of the store's files: only the store's own user may read them. Stored responses are what
//! clients were told about payments.
//!
//! The directory and the engine's files in it are private from the start, because the process that serves
//! sets its umask so. A store that an earlier release made is tightened when it is opened. Directories above
//! the store are left as they are.

use std::fs::{self, DirBuilder, Permissions};
use std::io;
use std::os::unix::fs::{DirBuilderExt, MetadataExt, PermissionsExt};
use std::path::Path;

/// The mode bits of all users except the owner.
const OTHERS: u32 = 0o077;

/// Creates the directory `path`, private. An existing directory stays as it is.
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

/// Removes all rights of other users on the store in `dir`, and logs a warning if a store that is not new had
/// such rights.
///
/// The directory itself may belong to another user, as the root of a volume does. Everything in it becomes
/// private nevertheless.
pub(super) fn tighten(dir: &Path, is_new: bool) {
    let inside = tighten_below(dir);
    let itself = fs::metadata(dir).and_then(|found| tighten_one(dir, found.mode()));
    match (inside, itself) {
        (Err(error), _) => tracing::warn!(
            store = %dir.display(),
            "other users of this machine may be able to read the stored answers, and their rights cannot be \
             taken away: {error}"
        ),
        (Ok(inside), itself) if !is_new && (inside || matches!(itself, Ok(true))) => tracing::warn!(
            store = %dir.display(),
            "other users of this machine could read the stored answers; only the store's own user can now"
        ),
        (Ok(_), _) => {}
    }
}

/// Removes the rights of other users below `dir`, and tells whether anything had to be changed. Goes on to
/// the other entries if one cannot be changed.
fn tighten_below(dir: &Path) -> io::Result<bool> {
    let mut outcome = Ok(false);
    for entry in fs::read_dir(dir)? {
        match tighten_all(&entry?.path()) {
            // The engine removes files at any time.
            Err(error) if error.kind() == io::ErrorKind::NotFound => {}
            Ok(changed) => outcome = outcome.map(|before| before || changed),
            failed => outcome = outcome.and(failed),
        }
    }
    outcome
}

fn tighten_all(path: &Path) -> io::Result<bool> {
    let found = fs::symlink_metadata(path)?;
    if found.is_symlink() {
        return Ok(false);
    }
    let itself = tighten_one(path, found.mode());
    let below = if found.is_dir() { tighten_below(path) } else { Ok(false) };
    Ok(itself? | below?)
}

fn tighten_one(path: &Path, mode: u32) -> io::Result<bool> {
    if mode & OTHERS == 0 {
        return Ok(false);
    }
    fs::set_permissions(path, Permissions::from_mode(mode & 0o7777 & !OTHERS))?;
    Ok(true)
}
