//! The history of a record as the admin API shows it: `{"at", "event", "by", "note"}` for each step, with the
//! number of the execution, and `executed` where a step decided that.
//!
//! The record keeps the steps that its fields do not show. The first claim, a first completion and the end of
//! the retention are derived from its fields here.

use serde::Serialize;

use crate::clock::Timestamp;
use crate::protocol::history::{Entry, Event, History};
use crate::protocol::{Record, State};

/// Name of the author of steps that no operator made and no evidence decided.
const GATEWAY: &str = "gateway";

/// One step.
#[derive(Debug, Serialize)]
pub(super) struct EntryView {
    at: String,
    event: &'static str,
    by: String,
    /// The operator's reason, the reason for an unknown outcome, or the response's status.
    note: Option<String>,
    execution: u32,
    /// The decision of a step that decided the outcome.
    #[serde(skip_serializing_if = "Option::is_none")]
    executed: Option<bool>,
    /// True where an operator declared a call not executed that could still be under way.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    forced: bool,
}

impl EntryView {
    fn derived(at: Timestamp, event: &'static str, execution: u32, note: Option<String>) -> Self {
        let (by, executed, forced) = (GATEWAY.into(), None, false);
        Self { at: at.to_string(), event, by, note, execution, executed, forced }
    }

    fn of(entry: &Entry, updated_at: Timestamp) -> Self {
        let (executed, forced) = match entry.event {
            Event::Settled { executed } => (Some(executed), false),
            Event::Resolved { executed, forced } => (Some(executed), forced),
            Event::Claimed
            | Event::Unknown(_)
            | Event::Released
            | Event::Completed(_)
            | Event::Reopened
            | Event::Deleted => (None, false),
        };
        let note = match (&entry.note, entry.event) {
            (Some(note), _) => Some(note.to_string()),
            (None, Event::Unknown(reason)) => Some(reason.to_string()),
            (None, Event::Completed(status)) => Some(format!("status {status}")),
            (None, _) => None,
        };
        let (event, by) = (entry.event.name(), entry.by.name().to_owned());
        let at = entry.at.unwrap_or(updated_at).to_string();
        Self { at, event, by, note, execution: entry.n, executed, forced }
    }
}

/// Returns the whole history of `record`, the oldest step first.
pub(super) fn of(record: &Record) -> Vec<EntryView> {
    let mut views = vec![EntryView::derived(record.created_at, "claimed", 1, None)];
    let entries = record.history.entries();
    for (index, entry) in entries.iter().enumerate() {
        if index == History::FIRST && record.history.left_out() > 0 {
            let note = format!("{} steps are left out", record.history.left_out());
            views.push(EntryView::derived(
                entry.at.unwrap_or(record.updated_at),
                "left-out",
                entry.n,
                Some(note),
            ));
        }
        views.push(EntryView::of(entry, record.updated_at));
    }
    let n = record.state.n();
    match record.state {
        State::Completed { response, .. } if entries.is_empty() => {
            let note = Some(format!("status {}", response.status));
            views.push(EntryView::derived(record.updated_at, "completed", n, note));
        }
        // The newest entry of a deleted response has the same time.
        State::Expired { .. } if !entries.last().is_some_and(|newest| newest.event == Event::Deleted) => {
            views.push(EntryView::derived(record.updated_at, "expired", n, None));
        }
        _ => {}
    }
    views
}
