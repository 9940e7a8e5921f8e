//! The note by which the gateways of one store tell each other of its clock: how far the clock was when a
//! gateway last believed it, and how many of its jumps an operator has accepted.
//!
//! The format is a version byte and then a protocol buffer, as in the document of names. Field numbers are
//! permanent.

use std::time::Duration;

use bytes::Bytes;
use prost::Message;
use tokio::time::timeout;

use crate::clock::{Timestamp, boot, uptime};

use super::jumps::{Jumps, RoundTrip};
use super::{DocumentName, Filter, Ledger, Replaced, Stopped, StoreError};

const VERSION: u8 = 1;
/// Maximum number of attempts to write the note, each of which may lose its comparison.
const MOST_CONFLICTS: usize = 64;
/// Maximum time to find out whether there is any record.
const SURVEY_TIMEOUT: Duration = Duration::from_secs(30);
/// Distance between another gateway's note and the clock that is accepted even if the shortest ttl is
/// shorter.
const LEAST_AGREEMENT: Duration = Duration::from_secs(5);

/// The state of the clock, as found at a start.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ClockFound {
    /// A clock with nothing wrong.
    Steady,
    /// A clock that is ahead of the last note by this span: longer than the shortest ttl, and not too long.
    Ahead(Duration),
    /// A clock that stops claims.
    Stopped,
    /// A clock that stopped claims and was accepted.
    Accepted,
}

/// The document, as a protocol buffer.
#[derive(Clone, PartialEq, Message)]
struct Note {
    /// The clock, in milliseconds since the epoch.
    #[prost(uint64, tag = "1")]
    seen: u64,
    /// Number of accepted jumps.
    #[prost(uint64, tag = "2")]
    acceptances: u64,
    /// Boot identifier of the machine that wrote the note; empty where the system does not tell.
    #[prost(string, tag = "3")]
    boot: String,
    /// Uptime of that machine at that moment, in milliseconds.
    #[prost(uint64, tag = "4")]
    uptime: u64,
}

impl Note {
    /// Returns the least time that the clock can show by now. If this machine wrote the note and has not been
    /// restarted since, its uptime tells how much time has really passed.
    fn at_least(&self) -> Timestamp {
        let here = boot().filter(|here| *here == self.boot);
        let passed = here.map(|_| uptime().saturating_sub(Duration::from_millis(self.uptime)));
        Timestamp(self.seen).plus(passed.unwrap_or_default())
    }
}

/// Returns the least time that a store's clock can show by now, according to its document.
#[cfg(feature = "embedded")]
pub(super) fn at_least(document: &[u8]) -> Option<Timestamp> {
    decode(document).ok().map(|note| note.at_least())
}

/// The document as it was read, with the server's own time.
struct Read {
    document: Option<Bytes>,
    note: Option<Note>,
    now: Timestamp,
    round_trip: RoundTrip,
}

impl Ledger {
    /// Compares the store's clock with the last note, once, before anything is claimed. `accept` accepts a
    /// clock that would stop claims.
    ///
    /// # Errors
    /// [`StoreError`], as the store returns it.
    pub async fn check_clock(&self, accept: bool) -> Result<ClockFound, StoreError> {
        let found = match &self.jumps {
            Some(jumps) => self.compare_clock(jumps).await?,
            None if self.stopped().any(|reason| reason == Stopped::Clock) => ClockFound::Stopped,
            None => ClockFound::Steady,
        };
        if found == ClockFound::Stopped && accept {
            self.accept_clock().await?;
            return Ok(ClockFound::Accepted);
        }
        Ok(found)
    }

    async fn compare_clock(&self, jumps: &Jumps) -> Result<ClockFound, StoreError> {
        let Read { note, now, round_trip, .. } = self.read_note().await?;
        let Some(note) = note else { return Ok(ClockFound::Steady) };
        jumps.knows_acceptances(note.acceptances);
        let at_least = note.at_least();
        let ahead = now.since(at_least);
        if ahead > jumps.limits().retention && self.may_hold_records().await {
            jumps.go_on_from(at_least, now, round_trip);
            return Ok(ClockFound::Stopped);
        }
        Ok(if ahead > jumps.limits().ttl { ClockFound::Ahead(ahead) } else { ClockFound::Steady })
    }

    /// Notes how far the clock is, if it is believed. If it is not, finds out whether an operator has
    /// accepted it at another gateway.
    ///
    /// # Errors
    /// [`StoreError`], as the store returns it.
    pub async fn maintain_clock(&self) -> Result<(), StoreError> {
        for _ in 0..MOST_CONFLICTS {
            let read = self.read_note().await?;
            let (seen, acceptances) = read.note.as_ref().map_or((0, 0), |note| (note.seen, note.acceptances));
            if let Some(jumps) = &self.jumps {
                if jumps.is_stopped() {
                    let apart = read.now.since(Timestamp(seen)).max(Timestamp(seen).since(read.now));
                    if acceptances > jumps.acceptances() && apart <= jumps.limits().ttl.max(LEAST_AGREEMENT) {
                        tracing::info!("the store's clock was accepted at another gateway");
                        jumps.knows_acceptances(acceptances);
                        jumps.accept(read.now, read.round_trip);
                    }
                    return Ok(());
                }
                jumps.knows_acceptances(acceptances);
            }
            if self.write_note(&read, acceptances).await? == Replaced::Stored {
                return Ok(());
            }
        }
        Err(changed_too_often())
    }

    /// Accepts the store's clock as it is, in this gateway and in all others of the store. Returns true if
    /// claims were stopped here because of the clock.
    ///
    /// # Errors
    /// [`StoreError`], as the store returns it. Nothing was accepted then, with two exceptions: after
    /// [`StoreError::Unclear`] the clock may be accepted, and a store with a clock of its own (the embedded
    /// one) has accepted it until the process ends. The call may be repeated.
    pub async fn accept_clock(&self) -> Result<bool, StoreError> {
        let stopped = self.stopped().any(|reason| reason == Stopped::Clock);
        let mut read = self.read_note().await?;
        self.store().accept_clock();
        for _ in 0..MOST_CONFLICTS {
            let acceptances = read.note.as_ref().map_or(0, |note| note.acceptances) + 1;
            if self.write_note(&read, acceptances).await? == Replaced::Stored {
                if let Some(jumps) = &self.jumps {
                    jumps.knows_acceptances(acceptances);
                    jumps.accept(read.now, read.round_trip);
                }
                return Ok(stopped);
            }
            read = self.read_note().await?;
        }
        Err(changed_too_often())
    }

    async fn read_note(&self) -> Result<Read, StoreError> {
        let sent = self.uptime();
        let document = self.answer(self.store().document(DocumentName::Clock)).await?;
        let round_trip = RoundTrip { sent, received: self.uptime() };
        if let Some(jumps) = &self.jumps {
            jumps.judge(document.now, round_trip);
        }
        let note = document.bytes.as_deref().map(decode).transpose();
        let note = note.map_err(|cause| {
            StoreError::refused(format!("the store's note about its clock cannot be read here: {cause}"))
        })?;
        Ok(Read { document: document.bytes, note, now: document.now, round_trip })
    }

    async fn write_note(&self, read: &Read, acceptances: u64) -> Result<Replaced, StoreError> {
        let millis = u64::try_from(uptime().as_millis()).unwrap_or(u64::MAX);
        let boot = boot().unwrap_or_default();
        let note = encode(&Note { seen: read.now.0, acceptances, boot, uptime: millis });
        self.answer(self.store().replace_document(DocumentName::Clock, read.document.clone(), note)).await
    }

    /// Tells whether the store may hold a record. A store that does not answer in time counts as one that
    /// does.
    async fn may_hold_records(&self) -> bool {
        let page = timeout(SURVEY_TIMEOUT, self.store().page(Filter::default(), 1)).await;
        !matches!(page, Ok(Ok(page)) if page.records.is_empty() && page.next.is_none())
    }

    /// Returns the uptime by which the store's clock is judged; zero if it is not judged.
    pub(super) fn uptime(&self) -> Duration {
        self.jumps.as_ref().map_or(Duration::ZERO, |jumps| jumps.uptime())
    }
}

fn changed_too_often() -> StoreError {
    StoreError::Unavailable("its note about the clock changed too often to be written".into())
}

fn encode(note: &Note) -> Bytes {
    let mut bytes = vec![VERSION];
    note.encode_raw(&mut bytes);
    bytes.into()
}

fn decode(bytes: &[u8]) -> Result<Note, String> {
    match bytes.split_first() {
        Some((&VERSION, note)) => Note::decode(note).map_err(|error| error.to_string()),
        Some((version, _)) => Err(format!("it has version {version}")),
        None => Err("it is empty".into()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_note_is_written_as_it_is_read() {
        let note = Note { seen: 1_800_000_000_000, acceptances: 3, boot: "b".into(), uptime: 5 };
        let encoded = [1, 8, 128, 160, 241, 194, 177, 52, 16, 3, 26, 1, b'b', 32, 5];
        assert_eq!(encode(&note).as_ref(), encoded);
        assert_eq!(decode(&encode(&note)), Ok(note));
        for odd in [&b""[..], &[2, 8, 1], &[1, 8]] {
            assert!(decode(odd).is_err(), "{odd:?}");
        }
    }

    #[test]
    fn what_has_passed_is_known_while_the_machine_has_not_been_started_anew() {
        let hour_ago = u64::try_from(uptime().as_millis()).expect("not that long").saturating_sub(3_600_000);
        let passed = uptime().as_millis() as u64 - hour_ago;
        let here = boot().expect("Linux tells");
        let note = |boot: &str| Note { seen: 1_000, acceptances: 0, boot: boot.into(), uptime: hour_ago };
        let found = note(&here).at_least();
        assert!((1_000 + passed..1_000 + passed + 60_000).contains(&found.0), "{found:?}");
        for other in ["", "another"] {
            assert_eq!(note(other).at_least(), Timestamp(1_000));
        }
    }
}
