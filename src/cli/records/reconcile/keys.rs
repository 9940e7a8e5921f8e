//! The record ids of lines that name their operation by its key. The gateway derives them, many at once.

use http::Method;
use serde_json::{Value, json};

use super::super::client::Client;
use super::super::request::AdminRequest;
use super::asking::ask;
use super::failure::Failure;
use super::line::Place;
use super::sorter::LineRef;
use crate::protocol::RecordId;

/// Largest number of lookups in one request.
const MOST_LOOKUPS: usize = 1000;

/// Largest number of bytes of several lookups in one request. The gateway takes 2 MiB.
const MOST_BYTES: usize = 512 * 1024;

/// Lines with keys that are not sent yet.
pub(super) struct Keys<'c> {
    client: &'c Client,
    route: &'c str,
    lines: Vec<Place>,
    lookups: Vec<Value>,
    /// Approximate size of the lookups.
    bytes: usize,
}

impl<'c> Keys<'c> {
    /// Creates an empty batch for the keys of `route`.
    pub(super) fn new(client: &'c Client, route: &'c str) -> Self {
        Self { client, route, lines: Vec::new(), lookups: Vec::new(), bytes: 0 }
    }

    /// Adds a line with its key. If the batch has no room for it, returns the lines of the batch, as
    /// [`Keys::take`] does, before.
    ///
    /// # Errors
    /// [`Failure`] as for [`Keys::take`].
    pub(super) async fn push(&mut self, line: Place, mut lookup: Value) -> Result<Vec<LineRef>, Failure> {
        lookup["route"] = self.route.into();
        let size = lookup.to_string().len();
        let is_full = self.lookups.len() >= MOST_LOOKUPS || self.bytes + size > MOST_BYTES;
        let named = if is_full { self.take().await? } else { Vec::new() };
        self.bytes += size;
        self.lookups.push(lookup);
        self.lines.push(line);
        Ok(named)
    }

    /// Asks the gateway for the ids of all lines in the batch, which is empty then.
    ///
    /// # Errors
    /// [`Failure`] with the number of a line that the gateway refuses, or if there is no answer.
    pub(super) async fn take(&mut self) -> Result<Vec<LineRef>, Failure> {
        let (lines, lookups) = (std::mem::take(&mut self.lines), std::mem::take(&mut self.lookups));
        self.bytes = 0;
        if lines.is_empty() {
            return Ok(Vec::new());
        }
        let request = AdminRequest {
            method: Method::POST,
            path: "/v1/record-ids".into(),
            body: Some(json!({ "lookups": lookups })),
        };
        let answer = ask(self.client, &request).await.map_err(|why| about_a_line(why, &lines))?;
        let ids = answer["ids"].as_array().map(Vec::as_slice).unwrap_or_default();
        let ids: Option<Vec<RecordId>> = ids.iter().map(|id| id.as_str()?.parse().ok()).collect();
        let ids = ids.filter(|ids| ids.len() == lines.len());
        let ids = ids.ok_or_else(|| Failure::Failed("the gateway's answer lacks ids".into()))?;
        Ok(lines.iter().zip(ids).map(|(line, id)| LineRef::of(*line, id, 0)).collect())
    }
}

/// Replaces the index of a lookup by the number of its line.
fn about_a_line(failure: Failure, lines: &[Place]) -> Failure {
    let Failure::Failed(why) = failure else { return failure };
    let line_and_reason = || {
        let (index, rest) = why.strip_prefix("lookups[")?.split_once("]: ")?;
        Some((lines.get(index.parse::<usize>().ok()?)?.number, rest))
    };
    match line_and_reason() {
        Some((number, why)) => Failure::line(number, why),
        None => Failure::Failed(why),
    }
}
