//! The meaning of the engine's errors, in words for operators.

use fjall::{Error, LsmError};

const FORMAT: &str = "its files are in a format of the engine that is not known here";
const DAMAGE: &str = "some of its files are missing or cannot be read";

/// Describes an error of the engine without the names of its types.
pub(super) fn describe(error: &Error) -> String {
    match error {
        Error::Io(error) | Error::Storage(LsmError::Io(error)) => error.to_string(),
        Error::InvalidVersion(_) | Error::Storage(LsmError::InvalidVersion(_)) => FORMAT.into(),
        Error::Storage(LsmError::ChecksumMismatch { .. }) => "a checksum in its files does not match".into(),
        Error::Poisoned => "a write failed before, and no further write is taken".into(),
        Error::Locked => "its files are locked by another process".into(),
        Error::KeyspaceDeleted => "one of its tables is gone".into(),
        _ => DAMAGE.into(),
    }
}

#[cfg(test)]
mod tests {
    use std::io;

    use super::*;

    #[test]
    fn no_name_of_a_type_is_printed() {
        let full = io::Error::from(io::ErrorKind::StorageFull);
        for error in [
            Error::Io(full),
            Error::Poisoned,
            Error::Locked,
            Error::Unrecoverable,
            Error::InvalidTrailer,
            Error::InvalidTag(("ValueType", 7)),
            Error::InvalidVersion(None),
            Error::Storage(LsmError::Unrecoverable),
            Error::Storage(LsmError::InvalidHeader("Block")),
        ] {
            let errors = describe(&error);
            let names = ["Error", "Io(", "Unrecoverable", "Invalid", "Poisoned", "Kind", "Custom"];
            assert!(names.iter().all(|name| !errors.contains(name)), "{errors}");
        }
    }
}
