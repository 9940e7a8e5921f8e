//! The history of a record as bytes, and the doubt that an operator's decision has ended.

use crate::clock::Timestamp;
use crate::protocol::history::{By, Entry, Event};
use crate::protocol::{Doubt, History};

use super::parts::{Undecodable, reason_from_wire, reason_to_wire, refused, status, status_of};
use super::wire;

pub(super) fn doubt_to_wire(doubt: &Doubt) -> wire::Doubt {
    let Doubt { undecided, reason, quiet_at } = *doubt;
    let (reason, status) = (reason_to_wire(reason).into(), status_of(reason));
    wire::Doubt { undecided, reason, status, quiet_at: quiet_at.0 }
}

pub(super) fn doubt_from_wire(wire: wire::Doubt) -> Result<Doubt, Undecodable> {
    let reason = reason_from_wire(wire.reason, wire.status)?;
    Ok(Doubt { undecided: wire.undecided, reason, quiet_at: Timestamp(wire.quiet_at) })
}

pub(super) fn entry_to_wire(entry: &Entry) -> wire::Entry {
    let (by, name) = match &entry.by {
        By::Gateway => (wire::By::Gateway, ""),
        By::Probe => (wire::By::Probe, ""),
        By::Marker => (wire::By::Marker, ""),
        By::Operator(name) => (wire::By::Operator, &**name),
    };
    let bare = wire::Entry {
        at: entry.at.map(|at| at.0),
        n: entry.n,
        event: event_to_wire(entry.event).into(),
        by: by.into(),
        name: name.to_owned(),
        note: entry.note.as_deref().map(str::to_owned),
        ..wire::Entry::default()
    };
    match entry.event {
        Event::Unknown(reason) => {
            wire::Entry { reason: reason_to_wire(reason).into(), status: status_of(reason), ..bare }
        }
        Event::Completed(status) => wire::Entry { status: u32::from(status), ..bare },
        Event::Settled { executed } => wire::Entry { executed, ..bare },
        Event::Resolved { executed, forced } => wire::Entry { executed, forced, ..bare },
        Event::Claimed | Event::Released | Event::Reopened | Event::Deleted => bare,
    }
}

fn event_to_wire(event: Event) -> wire::Event {
    match event {
        Event::Claimed => wire::Event::Claimed,
        Event::Unknown(_) => wire::Event::Unknown,
        Event::Released => wire::Event::Released,
        Event::Completed(_) => wire::Event::Completed,
        Event::Settled { .. } => wire::Event::Settled,
        Event::Resolved { .. } => wire::Event::Resolved,
        Event::Reopened => wire::Event::Reopened,
        Event::Deleted => wire::Event::Deleted,
    }
}

/// Decodes a history. Entries that this gateway does not know count as left out: a newer gateway may write
/// them, and no decision depends on them.
pub(super) fn from_wire(entries: Vec<wire::Entry>, left_out: u32) -> History {
    let count = entries.len();
    let known: Vec<_> = entries.into_iter().filter_map(|entry| entry_from_wire(entry).ok()).collect();
    let unknown = u32::try_from(count - known.len()).unwrap_or(u32::MAX);
    History::of(known, left_out.saturating_add(unknown))
}

fn entry_from_wire(wire: wire::Entry) -> Result<Entry, Undecodable> {
    let event = match wire::Event::try_from(wire.event) {
        Ok(wire::Event::Claimed) => Event::Claimed,
        Ok(wire::Event::Unknown) => Event::Unknown(reason_from_wire(wire.reason, wire.status)?),
        Ok(wire::Event::Released) => Event::Released,
        Ok(wire::Event::Completed) => Event::Completed(status(wire.status)?),
        Ok(wire::Event::Settled) => Event::Settled { executed: wire.executed },
        Ok(wire::Event::Resolved) => Event::Resolved { executed: wire.executed, forced: wire.forced },
        Ok(wire::Event::Reopened) => Event::Reopened,
        Ok(wire::Event::Deleted) => Event::Deleted,
        Ok(wire::Event::Unspecified) | Err(_) => return Err(refused("history", wire.event)),
    };
    let by = match wire::By::try_from(wire.by) {
        Ok(wire::By::Gateway) => By::Gateway,
        Ok(wire::By::Probe) => By::Probe,
        Ok(wire::By::Marker) => By::Marker,
        Ok(wire::By::Operator) => By::Operator(wire.name.into()),
        Ok(wire::By::Unspecified) | Err(_) => return Err(refused("history's author", wire.by)),
    };
    Ok(Entry { at: wire.at.map(Timestamp), n: wire.n, event, by, note: wire.note.map(Into::into) })
}
