//! The list of events that the webhook was told, in 256 shared documents of the store.
//!
//! A part of the list holds the events about the records whose ids begin with one byte: a version byte, then
//! digests of 16 bytes in ascending order. A part is read when it is needed first, and then kept in memory
//! while this gateway holds the lease. An event whose record is no longer unknown leaves the list at the end
//! of the next complete pass, so a part is as large as the number of unknown records.

use std::collections::BTreeMap;

use bytes::Bytes;
use tracing::warn;

use crate::protocol::RecordId;
use crate::store::{DocumentName, Ledger, Replaced, StoreError};

use super::event::{Event, EventDigest};

/// Version of the documents.
const VERSION: u8 = 1;
/// Number of bytes of a digest.
const DIGEST: usize = 16;
/// Largest number of events in one part: 64 KiB, and a million in the whole list.
const MOST: usize = 4096;
/// Number of conflicts with other writers in one call.
const MOST_CONFLICTS: usize = 4;

/// The list, as far as it was read.
pub(super) struct Told {
    ledger: Ledger,
    parts: BTreeMap<u8, Part>,
}

#[derive(Default)]
struct Part {
    /// Document as it is stored.
    stored: Option<Bytes>,
    /// Events of the part. The value is true if the present pass found the record still unknown.
    events: BTreeMap<EventDigest, bool>,
    /// True if the stored document lacks a change.
    is_changed: bool,
}

/// The place of an event in the list.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Standing {
    /// The webhook was told.
    Told,
    /// The webhook was not told.
    New,
    /// The webhook was not told, and the list could not note it.
    NoRoom,
}

impl Told {
    /// Creates an empty list, none of which was read.
    pub(super) fn new(ledger: Ledger) -> Self {
        Self { ledger, parts: BTreeMap::new() }
    }

    /// Drops all parts from memory, because another gateway may write them.
    pub(super) fn forget(&mut self) {
        self.parts.clear();
    }

    /// Begins a pass over all unknown records.
    pub(super) fn begin_pass(&mut self) {
        for is_current in self.parts.values_mut().flat_map(|part| part.events.values_mut()) {
            *is_current = false;
        }
    }

    /// Ends a pass that saw all unknown records: removes the events of all others.
    pub(super) fn end_pass(&mut self) {
        for part in self.parts.values_mut() {
            let before = part.events.len();
            part.events.retain(|_, is_current| *is_current);
            part.is_changed |= part.events.len() < before;
        }
    }

    /// Returns the place of the event of an unknown record.
    ///
    /// # Errors
    /// As the store's.
    pub(super) async fn standing(&mut self, event: &Event) -> Result<Standing, StoreError> {
        let number = number(event.record);
        if !self.parts.contains_key(&number) {
            let (stored, events) = read(&self.ledger, number).await?;
            self.parts.insert(number, Part { stored, events, is_changed: false });
        }
        let Some(part) = self.parts.get_mut(&number) else { return Ok(Standing::New) };
        let is_full = part.events.len() >= MOST;
        Ok(match part.events.get_mut(&event.digest) {
            Some(is_current) => {
                *is_current = true;
                Standing::Told
            }
            None if is_full => Standing::NoRoom,
            None => Standing::New,
        })
    }

    /// Notes that the webhook was told of the event. Writes nothing yet.
    pub(super) fn add(&mut self, event: &Event) {
        let part = self.parts.entry(number(event.record)).or_default();
        part.events.insert(event.digest, true);
        part.is_changed = true;
    }

    /// Writes all changes.
    ///
    /// # Errors
    /// As the store's. The changes are kept and written by the next call.
    pub(super) async fn save(&mut self) -> Result<(), StoreError> {
        for (number, part) in self.parts.iter_mut().filter(|(_, part)| part.is_changed) {
            part.save(&self.ledger, *number).await?;
        }
        Ok(())
    }
}

impl Part {
    /// Writes the part. Takes up the events that another gateway wrote meanwhile.
    async fn save(&mut self, ledger: &Ledger, number: u8) -> Result<(), StoreError> {
        let name = DocumentName::Notified(number);
        for _ in 0..MOST_CONFLICTS {
            let document = encode(&self.events);
            let replaced = ledger.replace_document(name, self.stored.clone(), document.clone()).await?;
            if replaced == Replaced::Stored {
                self.stored = Some(document);
                self.is_changed = false;
                return Ok(());
            }
            let (stored, mut events) = read(ledger, number).await?;
            events.append(&mut self.events);
            (self.stored, self.events) = (stored, events);
        }
        Err(StoreError::Unavailable(
            "the list of events that were told changed too often to be written".into(),
        ))
    }
}

/// Reads a part, as its document and as its events. The events count as those of records that are no longer
/// unknown, until a pass finds them.
async fn read(
    ledger: &Ledger,
    number: u8,
) -> Result<(Option<Bytes>, BTreeMap<EventDigest, bool>), StoreError> {
    let stored = ledger.document(DocumentName::Notified(number)).await?.bytes;
    let events = stored.as_deref().map(decode).unwrap_or_default();
    Ok((stored, events))
}

fn number(id: RecordId) -> u8 {
    id.as_bytes()[0]
}

fn encode(events: &BTreeMap<EventDigest, bool>) -> Bytes {
    let mut bytes = Vec::with_capacity(1 + DIGEST * events.len());
    bytes.push(VERSION);
    events.keys().for_each(|EventDigest(digest)| bytes.extend(digest));
    bytes.into()
}

/// Returns the events in a document. A document that cannot be read counts as empty, so its events are told
/// again.
fn decode(bytes: &[u8]) -> BTreeMap<EventDigest, bool> {
    let readable =
        bytes.split_first().filter(|(version, rest)| **version == VERSION && rest.len() % DIGEST == 0);
    let Some((_, rest)) = readable else {
        warn!("a list of events that the webhook was told cannot be read here; these events are told again");
        return BTreeMap::new();
    };
    let digest = |bytes: &[u8]| Some((EventDigest(bytes.try_into().ok()?), false));
    rest.chunks_exact(DIGEST).filter_map(digest).collect()
}

#[cfg(test)]
mod tests;
