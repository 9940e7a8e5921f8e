//! Events of every kind through a ledger, with the verdict and the record as they were decided.

use std::pin::Pin;

use oncegate::protocol::{Claim, Record, RecordId, Standing, Step, StoredResponse};
use oncegate::store::{self, Ledger, Snapshot, StoreError};

use crate::events::{Event, Told, Verdict, Visitor};

/// A decision that holds in a store.
#[derive(Clone, Debug)]
pub struct Decision {
    /// The verdict.
    pub verdict: Verdict,
    /// The record after the decision; `None` if there is none.
    pub record: Option<Record>,
    /// The stored response, if the verdict is a replay of a retained one.
    pub response: Option<StoredResponse>,
}

/// Forgets of which kind the verdict is.
pub fn plain<V: Told>(decision: store::Decision<V>) -> Decision {
    let store::Decision { verdict, response, .. } = decision;
    Decision { verdict: verdict.told(), record: verdict.record().cloned(), response }
}

/// Makes a claim.
pub async fn claim(ledger: &Ledger, id: RecordId, claim: Claim) -> Result<Decision, StoreError> {
    ledger.claim(id, claim).await.map(plain)
}

/// Reads an operation, with the verdict that the record gives to an attempt that asks again.
pub async fn read(ledger: &Ledger, id: RecordId) -> Result<Decision, StoreError> {
    let Snapshot { record, response, .. } = ledger.read(id).await?;
    let standing = record.clone().map(Standing::of);
    let verdict = match standing {
        None => Verdict::Nothing,
        Some(None) => Verdict::Released,
        Some(Some(standing)) => standing.told(),
    };
    Ok(Decision { verdict, record, response })
}

/// Applies an event.
pub async fn apply(
    ledger: &Ledger,
    id: RecordId,
    known: Option<&Record>,
    event: &Event,
    response: Option<&StoredResponse>,
) -> Result<Decision, StoreError> {
    event.visit(Apply { ledger, id, known, response }).await
}

struct Apply<'l> {
    ledger: &'l Ledger,
    id: RecordId,
    known: Option<&'l Record>,
    response: Option<&'l StoredResponse>,
}

impl<'l> Visitor for Apply<'l> {
    type Output = Pin<Box<dyn Future<Output = Result<Decision, StoreError>> + Send + 'l>>;

    fn visit<S: Step<Verdict: Told> + 'static>(self, step: S) -> Self::Output {
        let Self { ledger, id, known, response } = self;
        Box::pin(async move { ledger.apply(id, known, &step, response).await.map(plain) })
    }
}
