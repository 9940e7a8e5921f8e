//! Requests for a notification of the end of an execution.

use sqlx::query;

use crate::protocol::RecordId;
use crate::store::postgres::batch::{Batch, Task};
use crate::store::postgres::failure::Failure;
use crate::store::postgres::session::Session;
use crate::store::postgres::statements::Statements;
use crate::workers::Callbacks;

use super::sql_task::SqlTask;

/// A task that asks for a notification of the end of an execution.
pub struct WatchTask(pub(in crate::store::postgres) RecordId);

impl Task for WatchTask {
    type Answer = ();

    fn id(&self) -> RecordId {
        self.0
    }
}

impl SqlTask for WatchTask {
    async fn run(batch: &mut Batch<Self>, session: &mut Session, sql: &Statements) -> Result<(), Failure> {
        let ids: Vec<RecordId> = batch.tasks().map(Task::id).collect();
        let keys: Vec<[u8; 20]> = ids.iter().map(|id| *id.as_bytes()).collect();
        session.ask(query(sql.watch.clone()).bind(&keys)).await?;
        let mut callbacks = Callbacks::default();
        ids.into_iter().for_each(|id| batch.answer(id, (), &mut callbacks));
        Ok(())
    }
}
