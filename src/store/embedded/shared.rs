//! The open store, as the writer's thread and the readers use it.

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
    _directory: Directory,
}

impl Shared {
    /// Returns the store with these tables, and nothing known of their deadlines and entries yet.
    pub(super) fn new(tables: Tables, room: Room, directory: Directory) -> Self {
        let (low, mended) = (LowWater::default(), AtomicBool::new(false));
        Self { tables, low, room, mended, _directory: directory }
    }
}
