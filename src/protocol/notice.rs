//! Notices of operations for other systems. The step that writes an outcome also decides its notice.
//!
//! [`of`] is pure. It looks at the kind of a step and at the record before and after it. Therefore a step has
//! the same notice on every gateway, and again when it is repeated. The kind of the step counts because a
//! probe and an operator write the same record, and so do a release and the end of retention.
//!
//! A notice does not contain the key, the caller or the response's body.

use std::fmt;
use std::sync::Arc;

use sha2::{Digest, Sha256};

use super::{Owner, Reason, Record, RecordId, Revision, State, StepKind, hex};

/// Subject of a notice.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Kind {
    /// The owner stored the response of its execution.
    Completed,
    /// The outcome of an execution became unknown.
    Unknown,
    /// A probe or a marker row decided an unknown outcome.
    Settled,
    /// An operator decided an unknown outcome.
    Resolved,
    /// The owner released its execution, which did not act.
    Released,
    /// The time to remember an unknown outcome ended before it was decided.
    Expired,
}

impl Kind {
    /// Returns the name of the kind in events.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Completed => "completed",
            Self::Unknown => "unknown",
            Self::Settled => "settled",
            Self::Resolved => "resolved",
            Self::Released => "released",
            Self::Expired => "expired",
        }
    }
}

/// A notice of one step of one operation.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Notice {
    /// Subject of the notice.
    pub kind: Kind,
    /// Namespace of the operation.
    pub namespace: Arc<str>,
    /// Name of the route that created the record.
    pub route: Arc<str>,
    /// Number of the execution.
    pub execution: u32,
    /// Status of the stored response, where there is one.
    pub status: Option<u16>,
    /// Reason for an unknown outcome.
    pub reason: Option<Reason>,
    owner: Owner,
    /// Revision that the step writes, or would write if it did not remove the record.
    revision: Revision,
}

impl Notice {
    /// Returns the notice that the outcome of `record` became unknown; `None` if its outcome is not unknown.
    /// No step writes an unknown record again, so this is the notice of the step that wrote it.
    #[must_use]
    pub fn of_unknown(record: &Record) -> Option<Self> {
        let State::Unknown { owner, n, reason, .. } = record.state else { return None };
        Some(Self {
            kind: Kind::Unknown,
            namespace: Arc::clone(&record.namespace),
            route: Arc::clone(&record.route),
            execution: n,
            status: None,
            reason: Some(reason),
            owner,
            revision: record.revision,
        })
    }

    /// Returns the mark of the step: 16 hexadecimal digits. A repeated step has the same mark, and every
    /// other step has another one. The mark does not reveal the owner's token.
    #[must_use]
    pub fn mark(&self) -> String {
        let mut digest = Sha256::new();
        digest.update(b"oncegate notice v1");
        digest.update(self.owner.0);
        digest.update(self.revision.0.to_be_bytes());
        hex::encode(&digest.finalize()[..8], &mut [0; 16]).to_owned()
    }

    /// Returns the id of the event about the record `id`: `<record id>:<n>:<mark>:<kind>`.
    #[must_use]
    pub fn id(&self, id: RecordId) -> String {
        format!("{id}:{}:{}:{}", self.execution, self.mark(), self.kind)
    }
}

impl fmt::Display for Kind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// Decides the notice of a step of the kind `step`, which puts `after` in the place of `before`, or removes
/// the record. Returns `None` for a step without a notice.
#[must_use]
pub fn of(step: StepKind, before: Option<&Record>, after: Option<&Record>) -> Option<Notice> {
    // The beginning of a first execution has no notice; its outcome has one.
    let before = before?;
    let kind = kind(step, &before.state, after.map(|record| &record.state))?;
    let is_expired = kind == Kind::Expired;
    // A claim may find a record that is forgotten but not swept, and begin another operation in its place.
    let told = after.filter(|_| !is_expired).unwrap_or(before);
    let (status, reason) = match told.state {
        State::Completed { response, .. } => (Some(response.status), None),
        State::Unknown { reason, .. } if kind != Kind::Released => (None, Some(reason)),
        _ => (None, None),
    };
    Some(Notice {
        kind,
        namespace: Arc::clone(&told.namespace),
        route: Arc::clone(&told.route),
        execution: told.state.n(),
        status,
        reason,
        owner: before.state.owner()?,
        revision: after.map_or_else(|| before.revision.next(), |after| after.revision),
    })
}

fn kind(step: StepKind, before: &State, after: Option<&State>) -> Option<Kind> {
    let becomes_unknown = matches!(after, Some(State::Unknown { .. }));
    match step {
        StepKind::Complete => Some(Kind::Completed),
        StepKind::Settle => Some(Kind::Settled),
        StepKind::Resolve => Some(Kind::Resolved),
        // An earlier execution is undecided, so the operation is.
        StepKind::Release if becomes_unknown => Some(Kind::Unknown),
        StepKind::Release => Some(Kind::Released),
        StepKind::Lose | StepKind::Claim | StepKind::Sweep if becomes_unknown => Some(Kind::Unknown),
        StepKind::Claim | StepKind::Sweep if matches!(before, State::Unknown { .. }) => Some(Kind::Expired),
        StepKind::Lose | StepKind::Claim | StepKind::Sweep => None,
        StepKind::Reopen => Some(Kind::Unknown),
        StepKind::Renew | StepKind::TakeOver | StepKind::Delete => None,
    }
}

#[cfg(test)]
mod tests;
