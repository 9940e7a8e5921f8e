//! A whole head of a response, and its header lines as they are passed on.

use std::ops::Range;

use bytes::Bytes;
use http::header::CONTENT_LENGTH;
use http::{HeaderMap, HeaderName, HeaderValue, StatusCode};
use hyper::ext::ReasonPhrase;
use memchr::memchr;

use super::Broken;
use super::lines::{Framing, LineKind, Lines, MAX_LINES, StatusLine, is_canonical, is_space};

/// Number of headers for which a map has room beside the response's own: those that the gateway adds. The library
/// uses the map of a response for its next request, to which the gateway adds more.
const MORE: usize = 4;

/// A head that was read.
#[derive(Debug)]
pub(super) struct Head {
    pub(super) status: StatusCode,
    /// The text behind the status, if it is not the usual one.
    pub(super) reason: Option<ReasonPhrase>,
    /// The header lines; `None` if they cannot be passed on.
    pub(super) headers: Option<HeaderMap>,
    pub(super) framing: Framing,
    /// True if the connection ends with the response.
    pub(super) closes: bool,
}

impl Head {
    /// Reads a head from its status line to its empty line, both included. About `expected_lines` lines are
    /// expected.
    pub(super) fn read(bytes: &Bytes, expected_lines: usize, to_head: bool) -> Result<Self, Broken> {
        let start = StatusLine::read(bytes)?;
        let (first, mut next) = line(bytes, 0);
        let mut lines = Lines::new(start);
        let mut headers =
            (expected_lines <= MAX_LINES).then(|| HeaderMap::with_capacity(expected_lines + MORE));
        while next < bytes.len() {
            let (mut range, behind) = line(bytes, next);
            next = behind;
            let kind = lines.add(&bytes[range.clone()], false);
            while bytes.get(next).is_some_and(|byte| is_space(*byte)) {
                let (fold, behind) = line(bytes, next);
                lines.add(&bytes[fold.clone()], false);
                (range.end, next) = (fold.end, behind);
            }
            if let Some(headers) = &mut headers {
                add_line(headers, bytes, range, kind);
            }
        }
        let bodiless = is_bodiless(start.status, to_head);
        if let Some(headers) = &mut headers {
            set_length(headers, &lines, start.status);
        }
        let reason = reason(&bytes[start.end..first.end], start.status);
        let (framing, closes) = (lines.framing(bodiless)?, lines.closes());
        Ok(Self { status: start.status, reason, headers, framing, closes })
    }

    /// Makes a head of which only status and framing are known.
    pub(super) fn skimmed(start: StatusLine, lines: &Lines, to_head: bool) -> Result<Self, Broken> {
        let framing = lines.framing(is_bodiless(start.status, to_head))?;
        Ok(Self { status: start.status, reason: None, headers: None, framing, closes: lines.closes() })
    }
}

/// Finds the line that begins at `start`. Returns its range without the line end, and the start of the
/// next line.
fn line(bytes: &[u8], start: usize) -> (Range<usize>, usize) {
    let end = memchr(b'\n', &bytes[start..]).map_or(bytes.len(), |end| start + end);
    let text = bytes[start..end].strip_suffix(b"\r").unwrap_or(&bytes[start..end]);
    (start..start + text.len(), (end + 1).min(bytes.len()))
}

/// Tells whether a response has no body: a response to HEAD, or one with such a status (RFC 9112, 6.3).
fn is_bodiless(status: StatusCode, to_head: bool) -> bool {
    to_head
        || status.is_informational()
        || matches!(status, StatusCode::NO_CONTENT | StatusCode::NOT_MODIFIED)
}

/// Adds one line, with its folds, to the headers that are passed on.
fn add_line(headers: &mut HeaderMap, bytes: &Bytes, range: Range<usize>, kind: LineKind) {
    match kind {
        // This keeps the position of the line. The value is judged at the end.
        LineKind::Length { colon } => {
            headers.insert(CONTENT_LENGTH, value(bytes, range.start + colon + 1..range.end));
        }
        LineKind::Field { colon } => {
            let colon = range.start + colon;
            let name = HeaderName::from_bytes(bytes[range.start..colon].trim_ascii_end());
            if let Ok(name) = name {
                headers.append(name, value(bytes, colon + 1..range.end));
            }
        }
        LineKind::Coding | LineKind::Nothing => {}
    }
}

/// Reads a value. Spaces around it are removed, and a byte that no value may have becomes a space (RFC
/// 9110, 5.5).
fn value(bytes: &Bytes, range: Range<usize>) -> HeaderValue {
    let text = bytes[range.clone()].trim_ascii_start();
    let start = range.end - text.len();
    let whole = bytes.slice(start..start + text.trim_ascii_end().len());
    HeaderValue::from_maybe_shared(whole.clone()).unwrap_or_else(|_| {
        let mended = whole.iter().map(|byte| if is_control(*byte) { b' ' } else { *byte });
        let mended: Vec<u8> = mended.collect();
        HeaderValue::from_bytes(mended.trim_ascii()).expect("no control bytes are left")
    })
}

fn is_control(byte: u8) -> bool {
    (byte < b' ' && byte != b'\t') || byte == 0x7f
}

/// Writes the length once and in canonical digits. Removes it where it is not reliable or has no
/// meaning.
fn set_length(headers: &mut HeaderMap, lines: &Lines, status: StatusCode) {
    let Some(value) = headers.get_mut(CONTENT_LENGTH) else { return };
    match lines.framing(false) {
        Ok(Framing::Length(_)) if status != StatusCode::NO_CONTENT && is_canonical(value.as_bytes()) => {}
        Ok(Framing::Length(length)) if status != StatusCode::NO_CONTENT => *value = HeaderValue::from(length),
        _ => drop(headers.remove(CONTENT_LENGTH)),
    }
}

fn reason(text: &[u8], status: StatusCode) -> Option<ReasonPhrase> {
    let text = text.trim_ascii();
    let usual = status.canonical_reason().map(str::as_bytes) == Some(text);
    if usual || text.is_empty() { None } else { ReasonPhrase::try_from(text).ok() }
}
