//! A record as the admin API shows it. Its members are a contract.

use serde::{Serialize, Serializer};

use crate::protocol::{Executed, Labels, OnUnknown, Record, RecordId, State};

use crate::telemetry::Metrics;

use super::history::{self, EntryView};

/// A record. Its times are RFC 3339, on the store's clock.
#[derive(Debug, Serialize)]
pub(super) struct RecordView {
    id: String,
    namespace: String,
    route: String,
    state: &'static str,
    /// Number of the last execution.
    execution: u32,
    /// Reason why the outcome is unknown.
    reason: Option<String>,
    /// Reaction to an unknown outcome under which the operation began: `hold`, `retry`, `probe` or `marker`.
    on_unknown: &'static str,
    /// Outcome that a tombstone remembers: `yes`, or `unknown`. Any other state has none.
    executed: Option<&'static str>,
    /// Status of the stored response.
    status: Option<u16>,
    created_at: String,
    updated_at: String,
    /// Time at which a running execution that stays silent is given up.
    lease_until: Option<String>,
    /// Time from which the call with the unknown outcome can no longer be under way.
    quiet_at: Option<String>,
    /// Time at which the present state ends by itself. A running state has none: its lease ends instead.
    expires_at: Option<String>,
    /// The steps so far, the oldest first. Absent in lists.
    #[serde(skip_serializing_if = "Option::is_none")]
    history: Option<Vec<EntryView>>,
    /// Number of attempts with this key, at least: the first one, and the later ones that this gateway
    /// remembers. Absent in lists.
    #[serde(skip_serializing_if = "Option::is_none")]
    attempts: Option<u32>,
    /// The labels of the first attempt, by name.
    #[serde(serialize_with = "by_name")]
    labels: Labels,
}

/// Writes labels as an object.
pub(super) fn by_name<S: Serializer>(labels: &Labels, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.collect_map(labels.iter())
}

impl RecordView {
    /// Returns the view of a record that is shown alone, with its history and the number of later attempts.
    pub(super) fn alone(id: RecordId, record: &Record, metrics: &Metrics) -> Self {
        let (history, later) = (history::of(record), metrics.recent_attempts().of(id));
        let attempts = later.saturating_add(1);
        Self { history: Some(history), attempts: Some(attempts), ..Self::of(id, record) }
    }

    /// Returns the view of a record in a list.
    pub(super) fn of(id: RecordId, record: &Record) -> Self {
        let (mut reason, mut executed, mut status, mut quiet_at) = (None, None, None, None);
        match record.state {
            State::Unknown { reason: why, quiet_at: quiet, .. } => {
                (reason, quiet_at) = (Some(why.to_string()), Some(quiet.to_string()));
            }
            State::Completed { response, .. } => status = Some(response.status),
            State::Expired { executed: Executed::Yes, .. } => executed = Some("yes"),
            State::Expired { executed: Executed::Unknown, .. } => executed = Some("unknown"),
            State::Running { .. } | State::Settled { .. } | State::Cleared { .. } => {}
        }
        let lease_until = record.lease_until();
        let expires_at = lease_until.is_none().then(|| record.deadline());
        Self {
            id: id.to_string(),
            namespace: record.namespace.to_string(),
            route: record.route.to_string(),
            state: record.state.name(),
            execution: record.state.n(),
            reason,
            on_unknown: match record.policy.on_unknown {
                OnUnknown::Hold => "hold",
                OnUnknown::Retry { .. } => "retry",
                OnUnknown::Probe => "probe",
                OnUnknown::Marker => "marker",
            },
            executed,
            status,
            created_at: record.created_at.to_string(),
            updated_at: record.updated_at.to_string(),
            lease_until: lease_until.map(|time| time.to_string()),
            quiet_at,
            expires_at: expires_at.map(|time| time.to_string()),
            history: None,
            attempts: None,
            labels: record.labels.clone(),
        }
    }
}
