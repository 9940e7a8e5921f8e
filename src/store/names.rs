//! The document of names: how operations were named, as a store keeps it. The document is small, and is
//! compared and replaced as a whole.
//!
//! The format is a version byte and then a protocol buffer. An older gateway skips fields that it does not
//! know and leaves them out of what it writes. A field that must not be lost in this way takes a new version
//! byte, which an older gateway refuses. Field numbers are permanent.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use http::Method;
use prost::Message;
use tokio::time::timeout;

use crate::clock::Timestamp;
use crate::protocol::{Entry, Identity, PathScheme, Pattern, State};

use super::jumps::{Jumps, RoundTrip};
use super::{Document, DocumentName, Filter, Pending, Replaced, Store, StoreError};

const VERSION: u8 = 1;
/// Extent of the search for how an earlier release named its records: records in a page, and number of pages.
const SURVEY: (usize, usize) = (1000, 2);
/// Maximum time for one of these pages. A server may have to walk through many keys, and only the start of
/// the gateway waits for them.
const SURVEY_TIMEOUT: Duration = Duration::from_secs(30);
/// Number of due records that are searched for executions of gateways that are gone.
const LINGERING: usize = 256;

/// The entries of one store.
#[derive(Clone)]
pub struct Names {
    store: Arc<dyn Store>,
    timeout: Duration,
    jumps: Option<Arc<Jumps>>,
}

/// The entries as they were read, with the document that they came from.
#[derive(Clone, Debug)]
pub struct NamesSnapshot {
    /// The entries; `None` where none were ever written.
    pub entries: Option<Vec<Entry>>,
    /// The store's clock.
    pub now: Timestamp,
    document: Option<Bytes>,
}

/// A route of an earlier release and its namespace, as a record names them.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct RecordedRoute {
    /// The name of the route.
    pub route: String,
    /// The namespace of its keys.
    pub namespace: String,
}

/// Returns the entries in a store's document.
///
/// # Errors
/// A text that says what is wrong, if a newer gateway wrote the document or if it is damaged.
pub fn entries(document: &[u8]) -> Result<Vec<Entry>, String> {
    decode(document)
}

impl Names {
    /// Creates access to the entries of `store`. Each answer is waited for at most `timeout`.
    #[must_use]
    pub fn of(store: Arc<dyn Store>, timeout: Duration) -> Self {
        Self { store, timeout, jumps: None }
    }

    /// Returns the same entries, with lives that are counted by the judged time where the store's clock
    /// jumps.
    #[must_use]
    pub fn judged_by(self, jumps: Option<Arc<Jumps>>) -> Self {
        Self { jumps, ..self }
    }

    /// Reads the entries.
    ///
    /// # Errors
    /// [`StoreError`], as the store returns it; [`StoreError::Refused`] if this version cannot read the
    /// entries.
    pub async fn read(&self) -> Result<NamesSnapshot, StoreError> {
        let sent = self.uptime();
        let Document { bytes, now } = self.answer(self.store.document(DocumentName::Names)).await?;
        let now = self.judge(now, sent);
        let entries = bytes.as_deref().map(decode).transpose();
        let entries = entries.map_err(|cause| {
            StoreError::refused(format!("the store's document of names cannot be read here: {cause}"))
        })?;
        Ok(NamesSnapshot { entries, now, document: bytes })
    }

    /// Writes `entries`, unless the store's entries are no longer those that were read.
    ///
    /// # Errors
    /// [`StoreError`], as the store returns it.
    pub async fn write(&self, snapshot: &NamesSnapshot, entries: &[Entry]) -> Result<Replaced, StoreError> {
        self.answer(self.store.replace_document(
            DocumentName::Names,
            snapshot.document.clone(),
            encode(entries),
        ))
        .await
    }

    /// Returns the routes that some of the store's records name, if the release before this one made these
    /// records. Returns `None` if there is no record, or one that only this release can have made: in that
    /// case the entries were lost.
    ///
    /// # Errors
    /// [`StoreError`], as the store returns it.
    pub async fn recorded(&self) -> Result<Option<BTreeSet<RecordedRoute>>, StoreError> {
        let (limit, pages) = SURVEY;
        let (mut filter, mut found) = (Filter::default(), None);
        for _ in 0..pages {
            let page = self.store.page(filter.clone(), limit);
            let page = answer(page, self.timeout.max(SURVEY_TIMEOUT)).await?;
            for (_, record) in page.records.iter().filter(|(_, record)| record.at(page.now).is_some()) {
                if record.fingerprint.scheme.path != PathScheme::AsSent {
                    return Ok(None);
                }
                let (route, namespace) = (record.route.to_string(), record.namespace.to_string());
                found.get_or_insert_with(BTreeSet::new).insert(RecordedRoute { route, namespace });
            }
            filter.after = page.next;
            if page.next.is_none() {
                break;
            }
        }
        Ok(found)
    }

    /// Returns the namespaces of executions that were cut off by the end of their gateway. Their records
    /// begin to age only when a gateway sweeps them.
    ///
    /// # Errors
    /// [`StoreError`], as the store returns it.
    pub async fn lingering(&self) -> Result<BTreeSet<String>, StoreError> {
        let due = self.answer(self.store.due(LINGERING)).await?;
        let running = due.records.iter().filter(|(_, record)| matches!(record.state, State::Running { .. }));
        Ok(running.map(|(_, record)| record.namespace.to_string()).collect())
    }

    fn uptime(&self) -> Duration {
        self.jumps.as_ref().map_or(Duration::ZERO, |jumps| jumps.uptime())
    }

    fn judge(&self, now: Timestamp, sent: Duration) -> Timestamp {
        let judge = |jumps: &Arc<Jumps>| jumps.judge(now, RoundTrip { sent, received: jumps.uptime() });
        self.jumps.as_ref().map_or(now, judge)
    }

    async fn answer<T>(&self, pending: Pending<'_, T>) -> Result<T, StoreError> {
        answer(pending, self.timeout).await
    }
}

async fn answer<T>(pending: Pending<'_, T>, within: Duration) -> Result<T, StoreError> {
    let late = |_| Err(StoreError::unclear(format!("no answer within {within:?}")));
    timeout(within, pending).await.unwrap_or_else(late)
}

#[derive(Clone, PartialEq, Message)]
struct WireDocument {
    #[prost(message, repeated, tag = "1")]
    entries: Vec<WireEntry>,
}

#[derive(Clone, PartialEq, Message)]
struct WireEntry {
    #[prost(string, tag = "1")]
    method: String,
    #[prost(string, tag = "2")]
    pattern: String,
    #[prost(string, tag = "3")]
    template: String,
    #[prost(string, tag = "4")]
    namespace: String,
    #[prost(string, repeated, tag = "5")]
    scope: Vec<String>,
    #[prost(string, tag = "6")]
    key: String,
    #[prost(string, tag = "7")]
    scheme: String,
    #[prost(uint64, tag = "8")]
    life_ms: u64,
    #[prost(uint64, tag = "9")]
    until_ms: u64,
    #[prost(bool, tag = "10")]
    quick_start: bool,
    #[prost(string, repeated, tag = "11")]
    accepted: Vec<String>,
    #[prost(bool, tag = "12")]
    retired: bool,
    // A gateway that does not know the next fields may lose them. Then less is known of its records than
    // could be, as of records of that gateway.
    #[prost(bool, tag = "13")]
    exact: bool,
    #[prost(uint64, tag = "14")]
    longest_ttl_ms: u64,
    #[prost(uint64, tag = "15")]
    longest_ttl_until_ms: u64,
    #[prost(uint64, tag = "16")]
    largest_request: u64,
}

fn encode(entries: &[Entry]) -> Bytes {
    let entries = entries.iter().map(to_wire).collect();
    let document = WireDocument { entries };
    let mut bytes = Vec::with_capacity(1 + document.encoded_len());
    bytes.push(VERSION);
    document.encode_raw(&mut bytes);
    bytes.into()
}

fn decode(bytes: &[u8]) -> Result<Vec<Entry>, String> {
    match bytes.split_first() {
        Some((&VERSION, message)) => {
            let document = WireDocument::decode(message).map_err(|error| error.to_string())?;
            document.entries.into_iter().map(from_wire).collect()
        }
        Some((version, _)) => Err(format!("it has version {version} and was written by a newer gateway")),
        None => Err("it is empty".into()),
    }
}

fn to_wire(entry: &Entry) -> WireEntry {
    let Identity { namespace, scope, key, scheme } = entry.identity.clone();
    WireEntry {
        method: entry.method.to_string(),
        pattern: entry.pattern.to_string(),
        template: entry.template.clone(),
        namespace,
        scope,
        key,
        scheme,
        life_ms: millis(entry.life),
        until_ms: entry.until.0,
        quick_start: entry.quick_start,
        accepted: entry.accepted.clone(),
        retired: entry.retired,
        exact: entry.pattern.is_exact(),
        longest_ttl_ms: millis(entry.longest_ttl.0),
        longest_ttl_until_ms: entry.longest_ttl.1.0,
        largest_request: entry.largest_request,
    }
}

fn millis(duration: Duration) -> u64 {
    u64::try_from(duration.as_millis()).unwrap_or(u64::MAX)
}

fn from_wire(wire: WireEntry) -> Result<Entry, String> {
    let WireEntry { namespace, scope, key, scheme, .. } = wire;
    Ok(Entry {
        method: Method::from_bytes(wire.method.as_bytes()).map_err(|error| error.to_string())?,
        pattern: if wire.exact { Pattern::exact(&wire.pattern) } else { Pattern::of(&wire.pattern) },
        template: wire.template,
        identity: Identity { namespace, scope, key, scheme },
        life: Duration::from_millis(wire.life_ms),
        until: Timestamp(wire.until_ms),
        longest_ttl: (Duration::from_millis(wire.longest_ttl_ms), Timestamp(wire.longest_ttl_until_ms)),
        largest_request: wire.largest_request,
        quick_start: wire.quick_start,
        accepted: wire.accepted,
        retired: wire.retired,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn entry() -> Entry {
        Entry {
            method: Method::PATCH,
            pattern: Pattern::exact("/V1/{id}"),
            template: "/V1/{id}".into(),
            identity: Identity {
                namespace: "a".into(),
                scope: vec!["\"b\"".into(), "{ path = true }".into()],
                key: "c".into(),
                scheme: "d".into(),
            },
            life: Duration::from_millis(7),
            until: Timestamp(8),
            longest_ttl: (Duration::from_millis(9), Timestamp(10)),
            largest_request: 11,
            quick_start: true,
            accepted: vec!["1f3a9c".into()],
            retired: true,
        }
    }

    #[test]
    fn entries_come_back_as_they_were_written() {
        let of = |pattern| Entry { pattern, ..entry() };
        let entries = [
            entry(),
            Entry { retired: false, quick_start: false, ..entry() },
            of(Pattern::exact("/v1/{id}")),
            of(Pattern::equivalent("/v1/{id}")),
        ];
        assert_eq!(decode(&encode(&entries)).as_deref(), Ok(&entries[..]));
        assert_eq!(decode(&encode(&[])), Ok(Vec::new()));
    }

    #[test]
    fn what_is_not_a_document_is_refused() {
        assert!(decode(b"").is_err_and(|why| why.contains("empty")));
        assert!(decode(b"\x02").is_err_and(|why| why.contains("newer gateway")));
        assert!(decode(b"\x01\xff\xff").is_err());
    }
}
