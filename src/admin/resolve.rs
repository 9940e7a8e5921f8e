//! `POST /v1/records/{id}/resolve` `{"executed", "response"?, "note", "force"?}`: an operator decides an
//! outcome that the gateway cannot know.
//!
//! *Executed* answers every later attempt with `response`, or with "settled" if there is no response. *Not
//! executed* lets the next attempt run. It is refused while the call could still be under way, unless it is
//! forced. A forced decision gives up "at most once" for this operation and is logged as such.

use axum::Json;
use axum::extract::State;
use http::StatusCode;
use serde::Deserialize;

use crate::headers::SuppliedResponse;
use crate::protocol::{
    OperatorVerdict, Owner, RecordId, Refusal, Resolution, ResponseRef, State as Is, StoredResponse, Sweep,
    SweepVerdict, Transition, transition,
};
use crate::settle::{Fence, Settler};
use crate::store::{Decision, Ledger, Snapshot, StoreError};

use super::audit::{self, Change};
use super::input::{Id, JsonBody};
use super::problem::AdminProblem;
use super::state::AdminState;
use super::view::RecordView;

/// Longest note, in characters.
pub(super) const MAX_NOTE: usize = 1000;

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct ResolveBody {
    executed: bool,
    response: Option<SuppliedResponse>,
    note: String,
    #[serde(default)]
    force: bool,
}

pub(super) async fn resolve(
    State(admin): State<AdminState>,
    Id(id): Id,
    JsonBody(body): JsonBody<ResolveBody>,
) -> Result<Json<RecordView>, AdminProblem> {
    let request = ResolveRequest::read(body, &*admin.new_owner).map_err(AdminProblem::bad_request)?;
    let Some(outcome) = request.apply(&admin.ledger, id).await.transpose() else {
        return Err(
            AdminProblem::http(StatusCode::CONFLICT, "the upstream has executed the operation").about(id)
        );
    };
    audit::log(id, &request.change, &outcome);
    let decision = outcome?;
    match decision.verdict {
        OperatorVerdict::Refused(refusal) => Err(AdminProblem::refused("resolved", id, refusal)),
        OperatorVerdict::Decided(record) => Ok(Json(RecordView::of(id, &record))),
    }
}

/// A checked decision of an operator.
struct ResolveRequest {
    resolution: Resolution,
    response: Option<StoredResponse>,
    change: Change,
}

impl ResolveRequest {
    fn read(body: ResolveBody, new_owner: &dyn Fn() -> Owner) -> Result<Self, String> {
        let ResolveBody { executed, response, note, force } = body;
        if note.trim().is_empty() || note.chars().count() > MAX_NOTE {
            return Err(format!("note: say why, in 1 to {MAX_NOTE} characters"));
        }
        if response.is_some() && !executed {
            return Err("response: what was not executed has no response".into());
        }
        let response = response.map(SuppliedResponse::into_stored).transpose();
        let response = response.map_err(|error| format!("response: {error}"))?;
        let reference = response.as_ref().map(|response| ResponseRef::stored(new_owner(), response));
        let resolution = match executed {
            true => Resolution::Executed(reference),
            false => Resolution::NotExecuted { force },
        };
        let status = reference.map(|reference| reference.status);
        let change = Change::Resolve { executed, status, force, note };
        Ok(Self { resolution, response, change })
    }

    /// Applies the decision. Returns `None` if a fence shows that the upstream has executed the operation.
    async fn apply(
        &self,
        ledger: &Ledger,
        id: RecordId,
    ) -> Result<Option<Decision<OperatorVerdict>>, StoreError> {
        let first = self.decide(ledger, id).await?;
        let Some(Decision { verdict: OperatorVerdict::Refused(Refusal::WrongState(record)), .. }) = &first
        else {
            return Ok(first);
        };
        if !matches!(record.state, Is::Running { .. }) {
            return Ok(first);
        }
        // The lease of the execution may be over although no gateway has recorded that yet.
        match ledger.apply(id, None, &Sweep, None).await?.verdict {
            SweepVerdict::Lapsed(_) => self.decide(ledger, id).await,
            SweepVerdict::Retired(_) | SweepVerdict::Forgotten | SweepVerdict::Nothing => Ok(first),
        }
    }

    /// Fences the execution if the decision is "not executed", and applies the decision.
    async fn decide(
        &self,
        ledger: &Ledger,
        id: RecordId,
    ) -> Result<Option<Decision<OperatorVerdict>>, StoreError> {
        if let Resolution::NotExecuted { .. } = self.resolution
            && self.fence(ledger, id).await? == Fence::Executed
        {
            return Ok(None);
        }
        ledger.apply(id, None, &self.resolution, self.response.as_ref()).await.map(Some)
    }

    /// Fences the execution, if the decision would stand without a fence.
    async fn fence(&self, ledger: &Ledger, id: RecordId) -> Result<Fence, StoreError> {
        let Snapshot { record, now, .. } = match ledger.read(id).await {
            // The record lacks its response, so it is completed, and the decision is refused in any case.
            Err(StoreError::Unreadable { .. }) => return Ok(Fence::Absent),
            read => read?,
        };
        match (transition(record.as_ref(), &self.resolution, now), record) {
            (Transition::Write(..), Some(record)) => {
                Ok(Settler::new(ledger.clone()).fence(id, &record).await)
            }
            (Transition::Write(..) | Transition::Unchanged(_) | Transition::Remove(_), _) => {
                Ok(Fence::Absent)
            }
        }
    }
}
