//! Changes of a record that has the expected revision: writes and removals.

use sqlx::postgres::PgRow;

use crate::protocol::{Record, RecordId, Revision, State};
use crate::store::postgres::batch::{Batch, Task};
use crate::store::postgres::failure::Failure;
use crate::store::postgres::row::{self, moment};
use crate::store::postgres::session::Session;
use crate::store::postgres::statements::Statements;
use crate::store::{Change, StoreError, Swap, Written, codec};
use crate::workers::Callbacks;

use super::columns::{execution, reason, status, until_deadline};
use super::parameters::Parameters;
use super::read::read;
use super::sql_task::SqlTask;

/// The task that makes a change.
#[expect(
    clippy::large_enum_variant,
    reason = "moved once, from the store to the queue; a box would cost more"
)]
pub enum ChangeTask {
    /// Writes a record.
    Write(WriteTask),
    /// Removes a record.
    Remove(RemoveTask),
}

impl ChangeTask {
    /// Returns the task that makes `change` to the record under `id`, if its revision is still `expected`.
    pub fn new(id: RecordId, expected: Revision, change: Change) -> Self {
        match change {
            Change::Remove(_) => Self::Remove(RemoveTask { id, expected }),
            Change::Write(Written { record, response, .. }) => {
                let encoded = codec::encode_record(&record);
                let response = response.as_ref().map(codec::encode_response);
                Self::Write(WriteTask { id, expected, record, encoded, response })
            }
        }
    }
}

/// A task for [`crate::store::Store::compare_and_set`] that writes.
pub struct WriteTask {
    id: RecordId,
    expected: Revision,
    record: Record,
    encoded: Vec<u8>,
    response: Option<Vec<u8>>,
}

/// A task for [`crate::store::Store::compare_and_set`] that removes.
pub struct RemoveTask {
    id: RecordId,
    expected: Revision,
}

impl Task for WriteTask {
    type Answer = Result<Swap, StoreError>;

    fn id(&self) -> RecordId {
        self.id
    }

    fn size(&self) -> usize {
        self.encoded.len() + self.response.as_ref().map_or(0, Vec::len)
    }
}

impl SqlTask for WriteTask {
    async fn run(batch: &mut Batch<Self>, session: &mut Session, sql: &Statements) -> Result<(), Failure> {
        let writes: Vec<_> = batch.tasks().collect();
        let mut parameters = Parameters::new(writes.len(), writes.iter().map(|write| write.size()).sum());
        parameters.column(writes.iter().map(|write| write.id.as_bytes().as_slice()))?;
        parameters.column(writes.iter().map(|write| write.expected.0.cast_signed()))?;
        parameters.column(writes.iter().map(|write| write.record.revision.0.cast_signed()))?;
        parameters.column(writes.iter().map(|write| write.record.state.name()))?;
        parameters.column(writes.iter().map(|write| execution(&write.record)))?;
        parameters.column(writes.iter().map(|write| reason(&write.record)))?;
        parameters.column(writes.iter().map(|write| status(&write.record)))?;
        parameters.column(writes.iter().map(|write| write.record.created_at.0.cast_signed()))?;
        parameters.column(writes.iter().map(|write| until_deadline(&write.record)))?;
        parameters.column(writes.iter().map(|write| write.encoded.as_slice()))?;
        parameters.column(writes.iter().map(|write| write.is_bare()))?;
        parameters.column(writes.iter().map(|write| write.response.as_deref()))?;
        parameters.one(sql.channel.as_str())?;
        let rows = parameters.ask(session, &sql.write).await?;
        written(batch, &rows)?;
        conflicts(batch, session, sql).await
    }
}

fn written(batch: &mut Batch<WriteTask>, rows: &[PgRow]) -> Result<(), Failure> {
    let mut callbacks = Callbacks::default();
    for row in rows {
        let Some(id) = row::id(row)? else { continue };
        if let Some(write) = batch.task(id) {
            let updated_at = moment(row, "updated_at")?;
            let record = Record { updated_at, ..write.record.clone() };
            batch.answer(id, Ok(Swap::Stored(Some(record))), &mut callbacks);
        }
    }
    Ok(())
}

impl WriteTask {
    /// Tells whether the record has no stored response from now on.
    fn is_bare(&self) -> bool {
        !matches!(self.record.state, State::Completed { .. })
    }
}

impl Task for RemoveTask {
    type Answer = Result<Swap, StoreError>;

    fn id(&self) -> RecordId {
        self.id
    }
}

impl SqlTask for RemoveTask {
    async fn run(batch: &mut Batch<Self>, session: &mut Session, sql: &Statements) -> Result<(), Failure> {
        let removals = batch.tasks();
        let mut parameters = Parameters::new(batch.len(), 0);
        parameters.column(removals.clone().map(|remove| remove.id.as_bytes().as_slice()))?;
        parameters.column(removals.map(|remove| remove.expected.0.cast_signed()))?;
        parameters.one(sql.channel.as_str())?;
        let rows = parameters.ask(session, &sql.remove).await?;
        removed(batch, &rows)?;
        conflicts(batch, session, sql).await
    }
}

fn removed(batch: &mut Batch<RemoveTask>, rows: &[PgRow]) -> Result<(), Failure> {
    let mut callbacks = Callbacks::default();
    for row in rows {
        if let Some(id) = row::id(row)? {
            batch.answer(id, Ok(Swap::Stored(None)), &mut callbacks);
        }
    }
    Ok(())
}

/// Answers the tasks that changed nothing with the record found instead.
async fn conflicts<T>(batch: &mut Batch<T>, session: &mut Session, sql: &Statements) -> Result<(), Failure>
where
    T: SqlTask<Answer = Result<Swap, StoreError>>,
{
    if batch.is_done() {
        return Ok(());
    }
    let found = read(batch.tasks().map(Task::id), session, sql);
    let found = found.await.map_err(Failure::of_a_read)?;
    let mut callbacks = Callbacks::default();
    for (id, snapshot) in found {
        batch.answer(id, snapshot.map(Swap::Conflict), &mut callbacks);
    }
    Ok(())
}
