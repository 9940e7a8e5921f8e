//! Decisions that wait in a temporary file until the whole ledger is compared.

use std::fs::File;
use std::io::{self, BufRead, BufReader, BufWriter, Seek, Write};
use std::path::Path;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Value, json};

use super::super::sender::DecisionRequest;
use super::judge::Decision;
use super::line::LedgerResponse;

/// The facts that all decisions of one ledger share.
pub(super) struct Origin {
    /// Name of the file.
    pub(super) name: String,
    pub(super) sha256: String,
    /// The operator's words.
    pub(super) note: Option<String>,
}

impl Origin {
    /// Makes the request of a decision. `response` is the one of the line that proves the execution.
    pub(super) fn request(&self, decision: &Decision, response: Option<LedgerResponse>) -> DecisionRequest {
        let place = match &decision.proof {
            Some(proof) => format!("line {}", proof.line.line),
            None => "it has no line of this operation".into(),
        };
        let words = self.note.as_ref().map(|note| format!("; {note}")).unwrap_or_default();
        let mut body = json!({
            "executed": decision.proof.is_some(),
            "note": format!("reconciled with {}: {place}{words}", self.name),
            "ledger_sha256": self.sha256,
        });
        if decision.proof.is_none() {
            body["execution"] = decision.execution.into();
        }
        if let Some(response) = response {
            body["response"] = response_body(&response);
        }
        DecisionRequest { id: decision.id.to_string(), body }
    }
}

fn response_body(response: &LedgerResponse) -> Value {
    let guessed = match serde_json::from_str::<serde::de::IgnoredAny>(&response.body) {
        Ok(_) => "application/json",
        Err(_) => "text/plain; charset=utf-8",
    };
    let content_type = response.content_type.as_deref().unwrap_or(guessed);
    let headers = match response.body.is_empty() && response.content_type.is_none() {
        true => json!([]),
        false => json!([["content-type", content_type]]),
    };
    json!({ "status": response.status, "headers": headers, "body_base64": STANDARD.encode(&response.body) })
}

/// A temporary file of decisions.
pub(super) struct Decisions {
    file: BufWriter<File>,
    pub(super) count: u64,
}

impl Decisions {
    /// Creates the file in `directory`. It has no name there, so it is gone when the process ends.
    pub(super) fn new(directory: &Path) -> io::Result<Self> {
        Ok(Self { file: BufWriter::new(tempfile::tempfile_in(directory)?), count: 0 })
    }

    /// Adds a decision.
    pub(super) fn push(&mut self, request: &DecisionRequest) -> io::Result<()> {
        serde_json::to_writer(&mut self.file, request)?;
        self.count += 1;
        self.file.write_all(b"\n")
    }

    /// Returns the decisions in the order in which they were added.
    pub(super) fn read(self) -> io::Result<impl Iterator<Item = io::Result<DecisionRequest>>> {
        let mut file = self.file.into_inner().map_err(io::IntoInnerError::into_error)?;
        file.rewind()?;
        Ok(BufReader::new(file).lines().map(|line| Ok(serde_json::from_str(&line?)?)))
    }
}
