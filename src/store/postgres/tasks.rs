//! The tasks about one record, and how one statement answers many of them.

mod change;
mod claim;
mod columns;
mod parameters;
mod read;
mod sql_task;
mod watch;

pub(super) use self::change::{ChangeTask, RemoveTask, WriteTask};
pub(super) use self::claim::ClaimTask;
pub(super) use self::read::ReadTask;
pub(super) use self::sql_task::SqlTask;
pub(super) use self::watch::WatchTask;
