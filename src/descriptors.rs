//! How many files and sockets the process may have open at once.
//!
//! The usual soft limit of 1,024 is lower than what a gateway needs, and the hard one is what counts: the
//! soft one only protects programs that cannot use large descriptors. Where the limit is reached, an engine
//! that cannot open its file ends the process; so everything that clients can make many of stays below it.

/// How many files the embedded store may keep open of its tables, where there is no need to save.
const STORE_FILES: usize = 900;
/// And the least that it is given.
const LEAST_STORE_FILES: usize = 16;

/// Raises the soft limit to the hard one. Where the system does not allow that, the soft one stays.
pub fn raise() {
    // What the limit is after that, everybody asks the system.
    drop(rlimit::increase_nofile_limit(u64::MAX));
}

/// How many descriptors the process may have, or could have after [`raise`].
#[must_use]
pub fn most() -> usize {
    // A system without this limit has none.
    let hard = rlimit::Resource::NOFILE.get().map_or(rlimit::INFINITY, |(_, hard)| hard);
    usize::try_from(hard).unwrap_or(usize::MAX)
}

/// How many files the embedded store keeps open of its tables where the process may have so many.
#[must_use]
pub fn of_store(most: usize) -> usize {
    (most / 4).clamp(LEAST_STORE_FILES, STORE_FILES)
}
