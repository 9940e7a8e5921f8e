//! Reads of records.

use sqlx::{Row, query};

use crate::protocol::RecordId;
use crate::store::postgres::batch::{Batch, Task};
use crate::store::postgres::failure::Failure;
use crate::store::postgres::primary::standby;
use crate::store::postgres::row::{self, moment};
use crate::store::postgres::session::Session;
use crate::store::postgres::statements::Statements;
use crate::store::{Snapshot, StoreError};
use crate::workers::Callbacks;

use super::sql_task::SqlTask;

/// A task for [`crate::store::Store::read`].
pub struct ReadTask(pub(in crate::store::postgres) RecordId);

impl Task for ReadTask {
    type Answer = Result<Snapshot, StoreError>;

    fn id(&self) -> RecordId {
        self.0
    }
}

impl SqlTask for ReadTask {
    async fn run(batch: &mut Batch<Self>, session: &mut Session, sql: &Statements) -> Result<(), Failure> {
        let found = read(batch.tasks().map(Task::id), session, sql).await?;
        let mut callbacks = Callbacks::default();
        for (id, snapshot) in found {
            batch.answer(id, snapshot, &mut callbacks);
        }
        Ok(())
    }
}

/// Reads the records under `ids` in one statement.
///
/// # Errors
/// [`Failure`] if the statement failed or the server is a standby.
pub(super) async fn read(
    ids: impl Iterator<Item = RecordId>,
    session: &mut Session,
    sql: &Statements,
) -> Result<Vec<(RecordId, Result<Snapshot, StoreError>)>, Failure> {
    let ids: Vec<[u8; 20]> = ids.map(|id| *id.as_bytes()).collect();
    let mut answers = Vec::new();
    for row in session.ask(query(sql.read.clone()).bind(&ids)).await? {
        if row.try_get("standby")? {
            return Err(standby());
        }
        let Some(id) = row::id(&row)? else { continue };
        let snapshot = match row::found(&row, id)? {
            Some(found) => found.map(Snapshot::from),
            None => Ok(Snapshot { record: None, response: None, now: moment(&row, "now")? }),
        };
        answers.push((id, snapshot));
    }
    Ok(answers)
}
