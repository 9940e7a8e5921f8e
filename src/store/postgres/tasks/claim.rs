//! Claims: a record is created, or the one that is there is found.

use crate::protocol::{Record, RecordId};
use crate::store::postgres::batch::{Batch, Task};
use crate::store::postgres::failure::Failure;
use crate::store::postgres::row::{self, moment};
use crate::store::postgres::session::Session;
use crate::store::postgres::statements::Statements;
use crate::store::{Claimed, Found, Snapshot, StoreError, codec};
use crate::workers::Callbacks;

use super::columns::{execution, until_deadline};
use super::parameters::Parameters;
use super::read::read;
use super::sql_task::SqlTask;

/// Number of attempts at a claim while the record in its way appears and disappears.
const MOST_ROUNDS: usize = 4;

/// A task for [`crate::store::Store::claim`].
pub struct ClaimTask {
    id: RecordId,
    first: Record,
    encoded: Vec<u8>,
}

impl ClaimTask {
    pub fn new(id: RecordId, first: Record) -> Self {
        Self { id, encoded: codec::encode_record(&first), first }
    }
}

impl Task for ClaimTask {
    type Answer = Result<Claimed, StoreError>;

    fn id(&self) -> RecordId {
        self.id
    }

    fn size(&self) -> usize {
        self.encoded.len()
    }
}

impl SqlTask for ClaimTask {
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

async fn offer(batch: &mut Batch<ClaimTask>, session: &mut Session, sql: &Statements) -> Result<(), Failure> {
    let claims: Vec<_> = batch.tasks().collect();
    let mut parameters = Parameters::new(claims.len(), claims.iter().map(|claim| claim.size()).sum());
    parameters.column(claims.iter().map(|claim| claim.id.as_bytes().as_slice()))?;
    parameters.column(claims.iter().map(|claim| claim.first.revision.0.cast_signed()))?;
    parameters.column(claims.iter().map(|claim| &*claim.first.namespace))?;
    parameters.column(claims.iter().map(|claim| &*claim.first.route))?;
    parameters.column(claims.iter().map(|claim| claim.first.state.name()))?;
    parameters.column(claims.iter().map(|claim| execution(&claim.first)))?;
    parameters.column(claims.iter().map(|claim| until_deadline(&claim.first)))?;
    parameters.column(claims.iter().map(|claim| claim.encoded.as_slice()))?;
    parameters.one(session.given_up_at().0.cast_signed())?;
    let rows = parameters.ask(session, &sql.claim).await?;
    let mut callbacks = Callbacks::default();
    for row in rows {
        let now = moment(&row, "now")?;
        let Some(id) = row::id(&row)? else {
            session.clock_received(now);
            continue;
        };
        let answer = match row::found(&row, id)? {
            Some(found) => found.map(Claimed::Found),
            None => match batch.task(id) {
                Some(ClaimTask { first, .. }) => {
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
    record.map(|record| Claimed::Found(Found { record, response, now }))
}
