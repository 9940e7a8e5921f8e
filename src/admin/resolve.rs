//! `POST /v1/records/{id}/resolve` `{"executed", "response"?, "note", "force"?, "execution"?,
//! "ledger_sha256"?}`: an operator decides an outcome that the gateway cannot know.
//!
//! *Executed* answers every later attempt with `response`, or with "settled" if there is no response. *Not
//! executed* lets the next attempt run. It is refused while the call could still be under way, unless it is
//! forced. A forced decision gives up "at most once" for this operation and is logged as such.
//!
//! With `execution`, the decision holds for the execution of this number only. A record with another last
//! execution refuses it. `ledger_sha256` is the digest of a ledger that the decision was taken from; only the
//! audit line shows it.

use axum::Json;
use axum::extract::State;
use http::StatusCode;
use serde::Deserialize;

use crate::clock::Timestamp;
use crate::headers::SuppliedResponse;
use crate::protocol::{
    OperatorVerdict, Owner, Record, RecordId, Refusal, Resolution, ResponseRef, Signed, State as Is,
    StoredResponse, Sweep, SweepVerdict, Transition, transition,
};
use crate::settle::Fence;
use crate::store::{Decision, Snapshot, StoreError};

use super::audit::{self, Change};
use super::input::{Id, JsonBody};
use super::operator::Operator;
use super::problem::AdminProblem;
use super::state::AdminState;
use super::view::RecordView;

/// Number of changes of the record during one decision after which the decision is given up.
const MOST_CHANGES: usize = 8;
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
    execution: Option<u32>,
    ledger_sha256: Option<String>,
}

pub(super) async fn resolve(
    State(admin): State<AdminState>,
    operator: Operator,
    Id(id): Id,
    JsonBody(body): JsonBody<ResolveBody>,
) -> Result<Json<RecordView>, AdminProblem> {
    let request =
        ResolveRequest::read(body, &operator, &*admin.new_owner).map_err(AdminProblem::bad_request)?;
    let before = admin.ledger.read(id).await.ok().and_then(|found| found.record);
    let outcome = match request.apply(&admin, id).await {
        Ok(Resolved::Decided(decision)) => Ok(*decision),
        Ok(Resolved::Fenced(why)) => {
            audit::log_refused(&operator, id, &request.change, &why, before.as_ref());
            return Err(AdminProblem::http(StatusCode::CONFLICT, why).about(id));
        }
        Err(error) => Err(error),
    };
    audit::log(&operator, id, &request.change, &outcome);
    let outcome = outcome?;
    if let (OperatorVerdict::Decided(decided), Some(unknown)) = (&outcome.verdict, before) {
        let took = decided.updated_at.since(unknown.updated_at);
        let settled = if request.executed() { "executed" } else { "not-executed" };
        admin.metrics.settled(&decided.route, "operator", settled, took);
    }
    match outcome.verdict {
        OperatorVerdict::Refused(refusal) => Err(AdminProblem::refused("resolved", id, refusal)),
        OperatorVerdict::Decided(record) => Ok(Json(RecordView::alone(id, &record, &admin.metrics))),
    }
}

/// The result of an operator's decision.
enum Resolved {
    /// A decision that the protocol has judged.
    Decided(Box<Decision<OperatorVerdict>>),
    /// A decision that evidence of the upstream refuses, or that is about another execution. The text says
    /// why.
    Fenced(String),
}

/// Checks the reason that an operator gives for a change.
pub(super) fn check_note(note: &str) -> Result<(), String> {
    match note.trim().is_empty() || note.chars().count() > MAX_NOTE {
        true => Err(format!("note: say why, in 1 to {MAX_NOTE} characters")),
        false => Ok(()),
    }
}

/// A checked decision of an operator.
struct ResolveRequest {
    step: Signed<Resolution>,
    response: Option<StoredResponse>,
    /// The only execution that the decision is about.
    execution: Option<u32>,
    change: Change,
}

impl ResolveRequest {
    fn read(body: ResolveBody, operator: &Operator, new_owner: &dyn Fn() -> Owner) -> Result<Self, String> {
        let ResolveBody { executed, response, note, force, execution, ledger_sha256 } = body;
        check_note(&note)?;
        if response.is_some() && !executed {
            return Err("response: what was not executed has no response".into());
        }
        let is_digest = |text: &String| text.len() == 64 && text.bytes().all(|b| b.is_ascii_hexdigit());
        if !ledger_sha256.as_ref().is_none_or(is_digest) {
            return Err("ledger_sha256: a SHA-256 is 64 hexadecimal digits".into());
        }
        let response = response.map(SuppliedResponse::into_stored).transpose();
        let response = response.map_err(|error| format!("response: {error}"))?;
        let reference = response.as_ref().map(|response| ResponseRef::stored(new_owner(), response));
        let resolution = match executed {
            true => Resolution::Executed(reference),
            false => Resolution::NotExecuted { force },
        };
        let status = reference.map(|reference| reference.status);
        let step = operator.signed(resolution, Some(&note));
        let change = Change::Resolve { executed, status, force, note, ledger_sha256 };
        Ok(Self { step, response, execution, change })
    }

    fn executed(&self) -> bool {
        matches!(self.step.step, Resolution::Executed(_))
    }

    fn is_forced(&self) -> bool {
        matches!(self.step.step, Resolution::NotExecuted { force: true })
    }

    /// Applies the decision.
    async fn apply(&self, admin: &AdminState, id: RecordId) -> Result<Resolved, StoreError> {
        let first = self.decide(admin, id).await?;
        let Resolved::Decided(decision) = &first else { return Ok(first) };
        let OperatorVerdict::Refused(Refusal::WrongState(record)) = &decision.verdict else {
            return Ok(first);
        };
        if !matches!(record.state, Is::Running { .. }) {
            return Ok(first);
        }
        // The lease of the execution may be over although no gateway has recorded that yet.
        match admin.ledger.apply(id, None, &Sweep, None).await?.verdict {
            SweepVerdict::Lapsed(_) => self.decide(admin, id).await,
            SweepVerdict::Retired(_) | SweepVerdict::Forgotten | SweepVerdict::Nothing => Ok(first),
        }
    }

    /// Fences the execution if the decision is "not executed", and applies the decision to the record that
    /// was read. If the record changed in between, begins again.
    async fn decide(&self, admin: &AdminState, id: RecordId) -> Result<Resolved, StoreError> {
        for _ in 0..MOST_CHANGES {
            let Snapshot { record, now, .. } = match admin.ledger.read(id).await {
                // The record lacks its response, so it is completed, and the decision is refused in any case.
                Err(StoreError::Unreadable { .. }) => return self.write(admin, id).await,
                read => read?,
            };
            // A refusal holds for the record that was read. A record that changes meanwhile is not cleared
            // unseen.
            let record = match (transition(record.as_ref(), &self.step, now), record) {
                (Transition::Write(..), Some(record)) => record,
                (Transition::Unchanged(verdict), _) => {
                    let decision = Decision { verdict, response: None, now };
                    return Ok(Resolved::Decided(Box::new(decision)));
                }
                (Transition::Write(..) | Transition::Remove(_), _) => return self.write(admin, id).await,
            };
            if let Some(why) = self.mistaken(&record) {
                return Ok(Resolved::Fenced(why));
            }
            if let Some(why) = self.disproved(admin, id, &record, now).await {
                return Ok(Resolved::Fenced(why));
            }
            let response = self.response.as_ref();
            if let Some(decision) = admin.ledger.apply_to(id, &record, now, &self.step, response).await? {
                return Ok(Resolved::Decided(Box::new(decision)));
            }
        }
        Err(StoreError::Unavailable("the record changed too often to be decided".into()))
    }

    /// Returns the reason if the decision is about another execution than the record's last one.
    fn mistaken(&self, record: &Record) -> Option<String> {
        let (last, decided) = (record.state.n(), self.execution?);
        (last != decided)
            .then(|| format!("the decision is about execution {decided}; the record's last one is {last}"))
    }

    /// Fences the execution if the decision is "not executed". Returns the reason if the fence refuses that.
    async fn disproved(
        &self,
        admin: &AdminState,
        id: RecordId,
        record: &Record,
        now: Timestamp,
    ) -> Option<String> {
        if self.executed() {
            return None;
        }
        match admin.settler.fence(id, record, now).await {
            Fence::Executed => Some("the upstream has executed the operation".into()),
            Fence::Unanswered(why) if !self.is_forced() => {
                Some(format!("the execution could not be fenced: {why}"))
            }
            // A forced decision is logged as the end of "at most once".
            Fence::Absent | Fence::Closed | Fence::Unanswered(_) => None,
        }
    }

    async fn write(&self, admin: &AdminState, id: RecordId) -> Result<Resolved, StoreError> {
        let decided = admin.ledger.apply(id, None, &self.step, self.response.as_ref()).await;
        decided.map(|decision| Resolved::Decided(Box::new(decision)))
    }
}
