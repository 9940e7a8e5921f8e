//! The tasks about one record, and how one statement answers many of them.

use std::future::Future;

use sqlx::postgres::PgRow;
use sqlx::{Row, query};

use crate::protocol::{Reason, Record, RecordId, Revision, State};
use crate::store::{Change, Claimed, Snapshot, StoreError, Swap, Written, codec};
use crate::workers::Callbacks;

use super::failure::Failure;
use super::queue::{Batch, Shelf, Shelves};
use super::row::{self, moment};
use super::session::{Session, standby};
use super::statements::Statements;

/// Number of attempts at a claim while the record in its way appears and disappears.
const MOST_ROUNDS: usize = 4;

/// A kind of task about one record.
pub(super) trait Task: Sized + Send + Sync + 'static {
    /// The type of the answer.
    type Answer: Send + 'static;

    /// Returns the id of the record.
    fn id(&self) -> RecordId;

    /// Returns roughly how many bytes the task adds to a statement.
    fn size(&self) -> usize {
        0
    }

    /// Returns the queue of this kind.
    fn shelf(shelves: &mut Shelves) -> &mut Shelf<Self>;

    /// Runs all of `batch` in one statement and answers the tasks it can.
    ///
    /// # Errors
    /// The failure of the tasks that are not answered yet.
    fn run(
        batch: &mut Batch<Self>,
        session: &mut Session,
        statements: &Statements,
    ) -> impl Future<Output = Result<(), Failure>> + Send;
}

/// A task for [`crate::store::Store::claim`].
pub(super) struct Claim {
    id: RecordId,
    first: Record,
    encoded: Vec<u8>,
}

/// A task for [`crate::store::Store::compare_and_set`] that writes.
pub(super) struct Write {
    id: RecordId,
    expected: Revision,
    record: Record,
    encoded: Vec<u8>,
    response: Option<Vec<u8>>,
}

/// A task for [`crate::store::Store::compare_and_set`] that removes.
pub(super) struct Remove {
    id: RecordId,
    expected: Revision,
}

/// A task for [`crate::store::Store::read`].
pub(super) struct Read(pub(super) RecordId);

/// A task that asks for a notification of the end of an execution.
pub(super) struct Watch(pub(super) RecordId);

impl Claim {
    pub(super) fn new(id: RecordId, first: Record) -> Self {
        Self { id, encoded: codec::encode_record(&first), first }
    }
}

impl Write {
    pub(super) fn new(id: RecordId, expected: Revision, change: Change) -> Result<Self, Remove> {
        match change {
            Change::Remove(_) => Err(Remove { id, expected }),
            Change::Write(Written { record, response, .. }) => {
                let (encoded, response) =
                    (codec::encode_record(&record), response.as_ref().map(codec::encode_response));
                Ok(Self { id, expected, record, encoded, response })
            }
        }
    }
}

impl Task for Claim {
    type Answer = Result<Claimed, StoreError>;

    fn id(&self) -> RecordId {
        self.id
    }

    fn size(&self) -> usize {
        self.encoded.len()
    }

    fn shelf(shelves: &mut Shelves) -> &mut Shelf<Self> {
        &mut shelves.claims
    }

    async fn run(batch: &mut Batch<Self>, session: &mut Session, sql: &Statements) -> Result<(), Failure> {
        for _ in 0..MOST_ROUNDS {
            offer(batch, session, sql).await?;
            if batch.is_done() {
                return Ok(());
            }
            // The remaining claims were not made: they were too late, or another gateway was faster. Only a
            // second statement can see its record.
            let found = read(batch.tasks().map(|claim| claim.id), session, sql);
            let found = found.await.map_err(Failure::of_a_read)?;
            let mut callbacks = Callbacks::default();
            for (id, snapshot) in found {
                match snapshot.map(present) {
                    Ok(Some(found)) => batch.answer(id, Ok(found), &mut callbacks),
                    Ok(None) => {}
                    Err(error) => batch.answer(id, Err(error), &mut callbacks),
                }
            }
            if batch.is_done() {
                return Ok(());
            }
        }
        Err(Failure::Down("the record appeared and disappeared too often to be claimed".into()))
    }
}

async fn offer(batch: &mut Batch<Claim>, session: &mut Session, sql: &Statements) -> Result<(), Failure> {
    let claims = batch.tasks();
    let statement = query(sql.claim.clone())
        .bind(claims.clone().map(|claim| claim.id.as_bytes().as_slice()).collect::<Vec<_>>())
        .bind(claims.clone().map(|claim| claim.first.revision.0.cast_signed()).collect::<Vec<_>>())
        .bind(claims.clone().map(|claim| &*claim.first.namespace).collect::<Vec<_>>())
        .bind(claims.clone().map(|claim| &*claim.first.route).collect::<Vec<_>>())
        .bind(claims.clone().map(|claim| claim.first.state.name()).collect::<Vec<_>>())
        .bind(claims.clone().map(|claim| execution(&claim.first)).collect::<Vec<_>>())
        .bind(claims.clone().map(|claim| until_deadline(&claim.first)).collect::<Vec<_>>())
        .bind(claims.map(|claim| claim.encoded.as_slice()).collect::<Vec<_>>())
        .bind(session.given_up_at().0.cast_signed());
    let rows = session.ask(statement).await?;
    let mut callbacks = Callbacks::default();
    for row in rows {
        let now = moment(&row, "now")?;
        let Some(id) = row::id(&row)? else {
            session.heard(now);
            continue;
        };
        let answer = match row::found(&row, id)? {
            Some(found) => found.map(Claimed::Found),
            None => match batch.task(id) {
                Some(Claim { first, .. }) => {
                    Ok(Claimed::Won(Record { created_at: now, updated_at: now, ..first.clone() }))
                }
                None => continue,
            },
        };
        batch.answer(id, answer, &mut callbacks);
    }
    Ok(())
}

fn present(snapshot: Snapshot) -> Option<Claimed> {
    let Snapshot { record, response, now } = snapshot;
    record.map(|record| Claimed::Found(crate::store::Found { record, response, now }))
}

impl Task for Write {
    type Answer = Result<Swap, StoreError>;

    fn id(&self) -> RecordId {
        self.id
    }

    fn size(&self) -> usize {
        self.encoded.len() + self.response.as_ref().map_or(0, Vec::len)
    }

    fn shelf(shelves: &mut Shelves) -> &mut Shelf<Self> {
        &mut shelves.writes
    }

    async fn run(batch: &mut Batch<Self>, session: &mut Session, sql: &Statements) -> Result<(), Failure> {
        let writes = batch.tasks();
        let statement = query(sql.write.clone())
            .bind(writes.clone().map(|write| write.id.as_bytes().as_slice()).collect::<Vec<_>>())
            .bind(writes.clone().map(|write| write.expected.0.cast_signed()).collect::<Vec<_>>())
            .bind(writes.clone().map(|write| write.record.revision.0.cast_signed()).collect::<Vec<_>>())
            .bind(writes.clone().map(|write| write.record.state.name()).collect::<Vec<_>>())
            .bind(writes.clone().map(|write| execution(&write.record)).collect::<Vec<_>>())
            .bind(writes.clone().map(|write| reason(&write.record)).collect::<Vec<_>>())
            .bind(writes.clone().map(|write| status(&write.record)).collect::<Vec<_>>())
            .bind(writes.clone().map(|write| write.record.created_at.0.cast_signed()).collect::<Vec<_>>())
            .bind(writes.clone().map(|write| until_deadline(&write.record)).collect::<Vec<_>>())
            .bind(writes.clone().map(|write| write.encoded.as_slice()).collect::<Vec<_>>())
            .bind(writes.clone().map(Write::is_bare).collect::<Vec<_>>())
            .bind(writes.map(|write| write.response.as_deref()).collect::<Vec<_>>())
            .bind(&sql.channel);
        let rows = session.ask(statement).await?;
        written(batch, &rows)?;
        conflicts(batch, session, sql).await
    }
}

fn written(batch: &mut Batch<Write>, rows: &[PgRow]) -> Result<(), Failure> {
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

impl Write {
    /// Tells whether the record has no stored response from now on.
    fn is_bare(&self) -> bool {
        !matches!(self.record.state, State::Completed { .. })
    }
}

impl Task for Remove {
    type Answer = Result<Swap, StoreError>;

    fn id(&self) -> RecordId {
        self.id
    }

    fn shelf(shelves: &mut Shelves) -> &mut Shelf<Self> {
        &mut shelves.removals
    }

    async fn run(batch: &mut Batch<Self>, session: &mut Session, sql: &Statements) -> Result<(), Failure> {
        let removals = batch.tasks();
        let statement = query(sql.remove.clone())
            .bind(removals.clone().map(|remove| remove.id.as_bytes().as_slice()).collect::<Vec<_>>())
            .bind(removals.map(|remove| remove.expected.0.cast_signed()).collect::<Vec<_>>())
            .bind(&sql.channel);
        let rows = session.ask(statement).await?;
        removed(batch, &rows)?;
        conflicts(batch, session, sql).await
    }
}

fn removed(batch: &mut Batch<Remove>, rows: &[PgRow]) -> Result<(), Failure> {
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
    T: Task<Answer = Result<Swap, StoreError>>,
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

impl Task for Read {
    type Answer = Result<Snapshot, StoreError>;

    fn id(&self) -> RecordId {
        self.0
    }

    fn shelf(shelves: &mut Shelves) -> &mut Shelf<Self> {
        &mut shelves.reads
    }

    async fn run(batch: &mut Batch<Self>, session: &mut Session, sql: &Statements) -> Result<(), Failure> {
        let found = read(batch.tasks().map(Task::id), session, sql).await?;
        let mut callbacks = Callbacks::default();
        for (id, snapshot) in found {
            batch.answer(id, snapshot, &mut callbacks);
        }
        Ok(())
    }
}

async fn read(
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

impl Task for Watch {
    type Answer = ();

    fn id(&self) -> RecordId {
        self.0
    }

    fn shelf(shelves: &mut Shelves) -> &mut Shelf<Self> {
        &mut shelves.watches
    }

    async fn run(batch: &mut Batch<Self>, session: &mut Session, sql: &Statements) -> Result<(), Failure> {
        let ids: Vec<RecordId> = batch.tasks().map(Task::id).collect();
        let keys: Vec<[u8; 20]> = ids.iter().map(|id| *id.as_bytes()).collect();
        session.ask(query(sql.watch.clone()).bind(&keys)).await?;
        let mut callbacks = Callbacks::default();
        ids.into_iter().for_each(|id| batch.answer(id, (), &mut callbacks));
        Ok(())
    }
}

fn execution(record: &Record) -> i32 {
    i32::try_from(record.state.n()).unwrap_or(i32::MAX)
}

/// Returns milliseconds, at most ten thousand years, which a `timestamptz` can still hold.
fn until_deadline(record: &Record) -> i64 {
    const MOST: u128 = 10_000 * 365 * 24 * 60 * 60 * 1000;
    record.until_deadline().as_millis().min(MOST) as i64
}

fn reason(record: &Record) -> Option<String> {
    match record.state {
        State::Unknown { reason, .. } => Some(reason.to_string()),
        _ => None,
    }
}

/// Returns the status of the upstream's response, for operators to search by.
fn status(record: &Record) -> Option<i16> {
    let status = match record.state {
        State::Completed { response, .. } => response.status,
        State::Unknown { reason: Reason::Status(status), .. } => status,
        _ => return None,
    };
    i16::try_from(status).ok()
}
