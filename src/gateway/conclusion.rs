//! The conclusion of an execution, and the answer that each attempt gets from it.

use crate::call::CallError;
use crate::clock::Timestamp;
use crate::config::UnknownAnswers;
use crate::problem::{Executed, Problem, Retry, Slug};
use crate::protocol::{Finding, Reason, RecordId, Standing, StoredResponse};

use super::answer::Answer;
use super::reply::{
    PassOnReason, Reply, Unsettled, in_flight, not_retained, outcome_unknown, reply_to, status_says_nothing,
};

/// The end of an execution, as this process saw it.
#[derive(Debug)]
pub(super) enum Conclusion {
    /// A stored completion. The owner gives the answer as it came, and all other attempts replay the kept
    /// part.
    Completed { answer: Answer, kept: Option<StoredResponse>, expires: Option<Timestamp> },
    /// An answer that is not the stored response of the operation. The variant of `reason` says why.
    PassedOn { answer: Answer, reason: PassOnReason },
    /// A failure: there is no answer to pass on.
    Failed(Problem),
    /// A record that moved on without its owner. All attempts are answered from it.
    Overruled(Box<Overruling>),
}

/// The part that an attempt had in an execution.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Role {
    /// The attempt that started the execution.
    Owner,
    /// An attempt that waited for the execution.
    Duplicate,
}

/// The result of recording an outcome.
pub(super) enum Recorded {
    /// A stored completion, and the time until which its response is kept.
    Completed(Option<Timestamp>),
    /// A stored release.
    Released,
    /// An outcome that this owner made unknown.
    MadeUnknown,
    /// An outcome that stays unknown, for another cause than this owner's report.
    StillUnknown,
    /// The record as it stands, because it moved on without its owner.
    Overruled(Box<Overruling>),
    /// A record that the store has lost: it is gone, or was made anew.
    Gone,
    /// No answer of the store yet. Writing goes on in the background.
    NotYet,
}

impl Recorded {
    /// Tells whether another writer decided the record.
    pub(super) fn has_moved_on(&self) -> bool {
        match self {
            Self::Overruled(_) => true,
            Self::Completed(_)
            | Self::Released
            | Self::MadeUnknown
            | Self::StillUnknown
            | Self::Gone
            | Self::NotYet => false,
        }
    }
}

/// A record that moved on without its owner.
#[derive(Debug)]
pub(super) struct Overruling {
    /// The record's answer to attempts; `None` for a cleared record.
    pub(super) standing: Option<Standing>,
    /// The stored response, if there is one.
    pub(super) response: Option<StoredResponse>,
    /// The prospect of the operation, if its outcome is unknown.
    pub(super) unsettled: Unsettled,
}

impl Overruling {
    fn answer(&self, id: RecordId) -> Result<Reply, Problem> {
        match &self.standing {
            Some(found) => reply_to(id, found, self.response.as_ref(), self.unsettled),
            None => Err(outcome_unknown(Unsettled::RunsAgain).about(id)),
        }
    }
}

impl Conclusion {
    /// Decides the conclusion from the call and from the store's answer. `finding` is the outcome that the
    /// owner asked the store to record.
    pub(super) fn of(
        called: Result<Answer, CallError>,
        kept: Option<StoredResponse>,
        finding: Finding,
        recorded: Recorded,
        unknown_answers: UnknownAnswers,
        unsettled: Unsettled,
    ) -> Self {
        match (recorded, called) {
            (Recorded::Overruled(overruling), _) => Self::Overruled(overruling),
            (recorded, Err(error)) => Self::Failed(failure(finding, &recorded, error.reason, unsettled)),
            (Recorded::Completed(expires), Ok(answer)) => Self::Completed { answer, kept, expires },
            (Recorded::Released, Ok(answer)) => Self::PassedOn { answer, reason: PassOnReason::Released },
            (
                Recorded::MadeUnknown | Recorded::StillUnknown | Recorded::Gone | Recorded::NotYet,
                Ok(answer),
            ) => {
                match (finding, unknown_answers) {
                    (Finding::Complete(_), _) => Self::PassedOn { answer, reason: PassOnReason::Unstored },
                    // A refusal such as 401 or 429 tells the client more than a problem would, even if the
                    // release could not be recorded. Any other status would look like a success, or like a
                    // failure after which a fresh key is safe.
                    (Finding::Release, UnknownAnswers::Problem) if answer.status.is_client_error() => {
                        Self::PassedOn { answer, reason: PassOnReason::Unknown(unsettled) }
                    }
                    (Finding::Lose(_) | Finding::Release, UnknownAnswers::Problem) => {
                        Self::Failed(status_says_nothing(answer.status.as_u16(), unsettled))
                    }
                    (Finding::Lose(_) | Finding::Release, UnknownAnswers::Pass) => {
                        Self::PassedOn { answer, reason: PassOnReason::Unknown(unsettled) }
                    }
                }
            }
        }
    }

    /// Returns the outcome as log and metrics name it.
    pub(super) fn outcome(&self) -> &'static str {
        match self {
            Self::Completed { .. } => "completed",
            Self::PassedOn { reason, .. } => reason.outcome(),
            Self::Failed(problem) => problem.slug().name(),
            Self::Overruled(_) => "overruled",
        }
    }

    /// Returns the status of the upstream's answer, if that answer is passed on.
    pub(super) fn status(&self) -> Option<u16> {
        match self {
            Self::Completed { answer, .. } | Self::PassedOn { answer, .. } => Some(answer.status.as_u16()),
            Self::Failed(_) | Self::Overruled(_) => None,
        }
    }

    /// Returns the answer to an attempt. The owner's answer has no body yet if it streams.
    pub(super) fn answer(&self, id: RecordId, role: Role) -> Result<Reply, Problem> {
        match (self, role) {
            (Self::Completed { answer, expires, .. }, Role::Owner) if answer.unusable => {
                Err(unusable(answer, PassOnReason::Unstored).expiring(*expires).about(id))
            }
            (Self::PassedOn { answer, reason }, _) if answer.unusable => {
                Err(unusable(answer, *reason).about(id))
            }
            (Self::Completed { answer, expires, .. }, Role::Owner) => {
                Ok(Reply::first(answer.response(), *expires))
            }
            (Self::Completed { kept: Some(kept), expires, .. }, Role::Duplicate) => {
                Ok(Reply::replay(kept, *expires))
            }
            (Self::Completed { answer, kept: None, expires }, Role::Duplicate) => {
                Err(not_retained(answer.status.as_u16()).expiring(*expires).about(id))
            }
            (Self::PassedOn { answer, reason }, Role::Duplicate) if answer.body.is_none() => {
                Err(without_stream(*reason).about(id))
            }
            (Self::PassedOn { answer, reason }, _) => Ok(Reply::passed_on(answer.response(), *reason)),
            (Self::Failed(problem), _) => Err(problem.clone().about(id)),
            // An attempt that gets this was present when the execution was lost.
            (Self::Overruled(overruling), _) => overruling.answer(id).map_err(Problem::present_if_unknown),
        }
    }

    /// Tells whether the owner passes the upstream's answer on.
    pub(super) fn passes_on(&self) -> bool {
        matches!(self, Self::Completed { .. } | Self::PassedOn { .. })
    }
}

/// Makes the problem for a call that brought no answer. The problem says "not executed" only for a stored
/// release with nothing undecided.
fn failure(finding: Finding, recorded: &Recorded, reason: Reason, unsettled: Unsettled) -> Problem {
    match (recorded, finding) {
        (Recorded::Released, _) => {
            let detail = match reason {
                Reason::LeaseOver => {
                    "The gateway stood still for longer than the lease before it could send anything. The key is \
                     free again."
                }
                _ => "No connection could be made, and the key is free again.",
            };
            Problem::new(Slug::UpstreamUnreachable, detail)
        }
        (Recorded::NotYet | Recorded::Gone, Finding::Release) => {
            let detail = "This attempt sent nothing to the upstream, but that could not be recorded yet.";
            Problem::new(Slug::StoreUnavailable, detail)
        }
        (Recorded::NotYet | Recorded::Gone, Finding::Complete(_) | Finding::Lose(_))
        | (
            Recorded::Completed(_) | Recorded::MadeUnknown | Recorded::StillUnknown | Recorded::Overruled(_),
            _,
        ) => outcome_unknown(unsettled).present(),
    }
}

/// Makes the problem for an answer with a head that cannot be passed on. The problem says what the status
/// means.
fn unusable(answer: &Answer, reason: PassOnReason) -> Problem {
    let problem = Problem::answer_unusable(answer.status.as_u16());
    match reason {
        PassOnReason::Unstored => problem.advising(Executed::Yes, Retry::Never),
        PassOnReason::Released => problem.advising(Executed::No, Retry::SameKey),
        PassOnReason::Unknown(_) => problem.advising(Executed::Unknown, Retry::Never),
    }
}

/// Makes the problem for a duplicate of an answer that only its first reader saw.
fn without_stream(reason: PassOnReason) -> Problem {
    match reason {
        PassOnReason::Unstored | PassOnReason::Released => in_flight(),
        PassOnReason::Unknown(unsettled) => outcome_unknown(unsettled).present(),
    }
}
