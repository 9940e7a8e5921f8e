//! The record ids of lines that name their operation by its key. The gateway derives them, many at once.

use http::Method;
use serde_json::{Value, json};

use super::super::client::Client;
use super::super::request::AdminRequest;
use super::asking::ask;
use super::failure::Failure;
use super::line::Line;
use super::sorter::Entry;
use crate::protocol::RecordId;

/// Largest number of lookups in one request.
const MOST_LOOKUPS: usize = 1000;

/// Number of bytes of lookups after which a request is sent. The gateway takes 2 MiB.
const MOST_BYTES: usize = 512 * 1024;

/// Lines with keys that are not sent yet.
pub(super) struct Keys<'c> {
    client: &'c Client,
    route: &'c str,
    lines: Vec<Line>,
    lookups: Vec<Value>,
    /// Approximate size of the lookups.
    bytes: usize,
}

impl<'c> Keys<'c> {
    /// Creates an empty batch for the keys of `route`.
    pub(super) fn new(client: &'c Client, route: &'c str) -> Self {
        Self { client, route, lines: Vec::new(), lookups: Vec::new(), bytes: 0 }
    }

    /// Adds a line with its key. Returns true if the batch is full.
    pub(super) fn push(&mut self, line: Line, mut lookup: Value) -> bool {
        lookup["route"] = self.route.into();
        self.bytes += lookup.to_string().len();
        self.lookups.push(lookup);
        self.lines.push(line);
        self.lookups.len() >= MOST_LOOKUPS || self.bytes >= MOST_BYTES
    }

    /// Asks the gateway for the ids of all lines in the batch, which is empty then.
    ///
    /// # Errors
    /// [`Failure`] with the number of a line that the gateway refuses, or if there is no answer.
    pub(super) async fn take(&mut self) -> Result<Vec<Entry>, Failure> {
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
        Ok(lines.iter().zip(ids).map(|(line, id)| Entry::of(line, id, 0)).collect())
    }
}

/// Replaces the index of a lookup by the number of its line.
fn about_a_line(failure: Failure, lines: &[Line]) -> Failure {
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
