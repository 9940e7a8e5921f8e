//! The records of a gateway, in the order of their ids.

use std::collections::BTreeMap;

use http::Method;
use serde::Deserialize;
use serde::de::{self, Deserializer};

use super::super::client::Client;
use super::super::request::AdminRequest;
use super::asking::ask;
use super::failure::Failure;
use crate::clock::Timestamp;
use crate::protocol::RecordId;

/// A record, as far as a ledger is compared with it.
#[derive(Clone, Debug, Deserialize)]
pub(super) struct Known {
    #[serde(deserialize_with = "parsed")]
    pub(super) id: RecordId,
    pub(super) route: String,
    pub(super) state: Stage,
    pub(super) execution: u32,
    pub(super) status: Option<u16>,
    /// Outcome that a tombstone remembers.
    pub(super) executed: Option<Remembered>,
    #[serde(deserialize_with = "time")]
    pub(super) created_at: Timestamp,
    #[serde(deserialize_with = "time")]
    pub(super) updated_at: Timestamp,
    #[serde(default, deserialize_with = "optional_time")]
    pub(super) quiet_at: Option<Timestamp>,
    #[serde(default)]
    pub(super) labels: BTreeMap<String, String>,
}

impl Known {
    /// Tells whether this is a tombstone of an executed operation.
    pub(super) fn is_remembered(&self) -> bool {
        self.executed == Some(Remembered::Yes)
    }
}

/// The state of a record.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(super) enum Stage {
    Running,
    Completed,
    Settled,
    Unknown,
    Cleared,
    Expired,
}

/// The outcome that a tombstone remembers.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(super) enum Remembered {
    Yes,
    /// An outcome that was unknown at the end of its ttl, or declared not executed.
    Unknown,
}

fn parsed<'de, D: Deserializer<'de>>(from: D) -> Result<RecordId, D::Error> {
    String::deserialize(from)?.parse().map_err(de::Error::custom)
}

fn time<'de, D: Deserializer<'de>>(from: D) -> Result<Timestamp, D::Error> {
    let text = String::deserialize(from)?;
    Timestamp::parse_rfc3339(&text).ok_or_else(|| de::Error::custom("a time is not RFC 3339"))
}

fn optional_time<'de, D: Deserializer<'de>>(from: D) -> Result<Option<Timestamp>, D::Error> {
    let text = Option::<String>::deserialize(from)?;
    let parsed = text.map(|text| Timestamp::parse_rfc3339(&text).ok_or("a time is not RFC 3339"));
    parsed.transpose().map_err(de::Error::custom)
}

/// The pages of a list of all records.
pub(super) struct Pages<'c> {
    client: &'c Client,
    /// Cursor of the next page; `None` behind the last one.
    cursor: Option<String>,
    /// The last id so far.
    last: Option<RecordId>,
}

impl<'c> Pages<'c> {
    pub(super) fn new(client: &'c Client) -> Self {
        Self { client, cursor: Some(String::new()), last: None }
    }

    /// Reads the next page, which may be empty; `None` behind the last one.
    ///
    /// # Errors
    /// [`Failure`] if the gateway does not answer, or if the answer is not a page in the order of ids.
    pub(super) async fn next(&mut self) -> Result<Option<Vec<Known>>, Failure> {
        let Some(cursor) = &self.cursor else { return Ok(None) };
        let path = format!("/v1/records?order=id&limit=1000&cursor={cursor}");
        let request = AdminRequest { method: Method::GET, path, body: None };
        let mut answer = ask(self.client, &request).await?;
        let records: Vec<Known> = serde_json::from_value(answer["records"].take())
            .map_err(|error| Failure::Failed(format!("the gateway's list of records: {error}")))?;
        for record in &records {
            if self.last.replace(record.id) >= Some(record.id) {
                return Err(Failure::Failed("the gateway's list is not in the order of ids".into()));
            }
        }
        self.cursor = answer["next_cursor"].as_str().map(str::to_owned);
        Ok(Some(records))
    }
}
