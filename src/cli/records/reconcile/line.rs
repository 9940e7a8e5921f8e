//! One line of a ledger, and the columns that it is made of.

use http::{HeaderName, HeaderValue};
use serde_json::{Value, json};

use crate::protocol::RecordId;

/// A line of a ledger: one payment.
#[derive(Debug, PartialEq)]
pub(super) struct Line {
    /// Number of the line in the file, from 1.
    pub(super) number: u64,
    /// Offset of the line in the file.
    pub(super) offset: u64,
    pub(super) operation: Operation,
    /// The response that clients get, if the line has one.
    pub(super) response: Option<LedgerResponse>,
}

/// The place of a line, without its content.
#[derive(Clone, Copy, Debug)]
pub(super) struct Place {
    pub(super) number: u64,
    pub(super) offset: u64,
    /// True if the line has a response.
    pub(super) has_response: bool,
}

impl Line {
    pub(super) fn place(&self) -> Place {
        Place { number: self.number, offset: self.offset, has_response: self.response.is_some() }
    }
}

/// The name of the operation that a line belongs to.
#[derive(Debug, PartialEq)]
pub(super) enum Operation {
    /// The value of `Idempotency-Execution`.
    Execution(RecordId, u32),
    /// A key and the parts of its scope: the members of a lookup, without the route.
    Key(Value),
    /// Neither of them.
    Unnamed,
}

/// A response in a ledger.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct LedgerResponse {
    pub(super) status: u16,
    pub(super) content_type: Option<String>,
    pub(super) body: String,
}

/// The meaning of a column.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Column {
    Execution,
    Key,
    Path,
    Certificate,
    Status,
    Body,
    ContentType,
    /// A header of the caller's scope, perhaps.
    Header(HeaderName),
    Ignored,
}

impl Column {
    /// Returns the meaning of the column with this name. Case does not matter.
    pub(super) fn named(name: &str) -> Self {
        match name.trim().to_ascii_lowercase().as_str() {
            "execution" => Self::Execution,
            "key" => Self::Key,
            "path" => Self::Path,
            "certificate" => Self::Certificate,
            "status" => Self::Status,
            "body" => Self::Body,
            "content_type" => Self::ContentType,
            other => HeaderName::from_bytes(other.as_bytes()).map_or(Self::Ignored, Self::Header),
        }
    }

    /// Tells whether the column names an operation.
    pub(super) fn names_operation(&self) -> bool {
        matches!(self, Self::Execution | Self::Key)
    }
}

/// The values of one line, by column.
#[derive(Default)]
pub(super) struct Values {
    execution: Option<String>,
    key: Option<String>,
    path: Option<String>,
    certificate: Option<String>,
    status: Option<String>,
    body: Option<String>,
    content_type: Option<String>,
    headers: Vec<(HeaderName, String)>,
}

impl Values {
    /// Sets the value of a column. An empty value counts as absent.
    pub(super) fn set(&mut self, column: &Column, value: &str) {
        if value.is_empty() {
            return;
        }
        let place = match column {
            Column::Execution => &mut self.execution,
            Column::Key => &mut self.key,
            Column::Path => &mut self.path,
            Column::Certificate => &mut self.certificate,
            Column::Status => &mut self.status,
            Column::Body => &mut self.body,
            Column::ContentType => &mut self.content_type,
            Column::Header(name) => {
                // A client cannot have sent another value as a header.
                if HeaderValue::from_bytes(value.trim().as_bytes()).is_ok() {
                    self.headers.push((name.clone(), value.to_owned()));
                }
                return;
            }
            Column::Ignored => return,
        };
        *place = Some(value.to_owned());
    }

    /// Makes the line of these values.
    ///
    /// # Errors
    /// The reason why a value is wrong. It does not repeat the value.
    pub(super) fn line(mut self, number: u64, offset: u64) -> Result<Line, String> {
        let response = self.response()?;
        let operation = match (&self.execution, &self.key) {
            (Some(execution), _) => parse_execution(execution).ok_or(
                "execution: expected 40 hexadecimal digits, a colon and a number, as in 1729…2bce:1",
            )?,
            (None, Some(key)) => Operation::Key(self.lookup(key)),
            (None, None) => Operation::Unnamed,
        };
        Ok(Line { number, offset, operation, response })
    }

    fn lookup(&self, key: &str) -> Value {
        let headers: Vec<_> = self.headers.iter().map(|(name, value)| (name.as_str(), value)).collect();
        let mut lookup = json!({ "key": key, "headers": headers });
        for (name, value) in [("path", &self.path), ("certificate", &self.certificate)] {
            if let Some(value) = value {
                lookup[name] = value.as_str().into();
            }
        }
        lookup
    }

    fn response(&mut self) -> Result<Option<LedgerResponse>, String> {
        let Some(status) = &self.status else { return Ok(None) };
        let status = status.trim().parse().ok().filter(|status| (200..600).contains(status));
        let status = status.ok_or("status: expected a number from 200 to 599")?;
        let content_type = self.content_type.take();
        if content_type.as_ref().is_some_and(|value| HeaderValue::from_str(value).is_err()) {
            return Err("content_type: this is not a header value".into());
        }
        Ok(Some(LedgerResponse { status, content_type, body: self.body.take().unwrap_or_default() }))
    }
}

/// Parses the value of `Idempotency-Execution`.
fn parse_execution(text: &str) -> Option<Operation> {
    let (id, n) = text.trim().split_once(':')?;
    let is_number = n.bytes().all(|byte| byte.is_ascii_digit());
    let n = n.parse().ok().filter(|n| is_number && *n > 0)?;
    Some(Operation::Execution(id.parse().ok()?, n))
}
