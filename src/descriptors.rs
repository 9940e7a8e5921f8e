//! The limit on the files and sockets that the process may have open at once.
//!
//! The usual soft limit of 1,024 is lower than the need of a gateway. The soft limit only protects
//! programs that cannot use large descriptors, so the hard limit is the one that matters. When the limit
//! is reached, an engine that cannot open its file ends the process. Therefore all resources that
//! clients can make many of stay below the limit.

/// Maximum number of table files that the embedded store keeps open, even if the limit allows more.
const STORE_FILES: usize = 900;
/// Minimum number of table files that the embedded store may keep open.
const LEAST_STORE_FILES: usize = 16;

/// Raises the soft limit to the hard one. The soft limit stays where the system does not allow that.
pub fn raise() {
    // The new limit is not kept, because its users ask the system for it.
    drop(rlimit::increase_nofile_limit(u64::MAX));
}

/// Returns the number of descriptors that the process may have, or could have after [`raise`].
#[must_use]
pub fn most() -> usize {
    // An error means that the system has no such limit.
    let hard = rlimit::Resource::NOFILE.get().map_or(rlimit::INFINITY, |(_, hard)| hard);
    usize::try_from(hard).unwrap_or(usize::MAX)
}

/// Returns the number of table files that the embedded store keeps open when the process may have `most`
/// descriptors.
#[must_use]
pub fn of_store(most: usize) -> usize {
    (most / 4).clamp(LEAST_STORE_FILES, STORE_FILES)
}
