//! The state of an open store.

use std::sync::atomic::AtomicBool;

use super::deadlines::LowWater;
use super::directory::Directory;
use super::room::Room;
use super::tables::Tables;

/// State that the writer and the readers share.
pub(super) struct Shared {
    pub(super) tables: Tables,
    pub(super) low: LowWater,
    pub(super) room: Room,
    /// True once the index of unknown records by time has been compared with the records.
    pub(super) mended: AtomicBool,
    // Last, so that the engine is closed before the lock is gone.
    pub(super) _directory: Directory,
}
