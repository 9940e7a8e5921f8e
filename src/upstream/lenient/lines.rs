//! The framing that the lines of a response's head declare (RFC 9112, 6).

use http::StatusCode;
use memchr::memchr;

use super::Broken;

/// Maximum number of header lines that are passed on.
pub(in crate::upstream) const MAX_LINES: usize = 16 * 1024;

const LENGTH: &[u8] = b"content-length";
const CODING: &[u8] = b"transfer-encoding";

/// The framing of the body behind a head.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Framing {
    /// A number of bytes, perhaps zero.
    Length(u64),
    /// A chunked body.
    Chunked,
    /// A body that ends with the connection.
    Close,
}

/// The subject of one line.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum LineKind {
    /// The length of the body, with the index of its colon.
    Length { colon: usize },
    /// The transfer coding of the body.
    Coding,
    /// A header that is not about framing, with the index of its colon.
    Field { colon: usize },
    /// A line without a header that can be passed on.
    Nothing,
}

/// The status line of a response.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct StatusLine {
    pub(super) status: StatusCode,
    /// True for HTTP/1.0.
    pub(super) is_http10: bool,
    /// Index of the end of the status.
    pub(super) end: usize,
}

impl StatusLine {
    /// Reads the beginning of a status line, which contains at least the status.
    pub(super) fn read(line: &[u8]) -> Result<Self, Broken> {
        const MALFORMED: Broken = Broken("it does not begin with the status line of HTTP/1");
        let rest = line.strip_prefix(b"HTTP/1.").ok_or(MALFORMED)?;
        let (minor, rest) = rest.split_first().ok_or(MALFORMED)?;
        let spaces = rest.iter().take_while(|byte| is_space(**byte)).count();
        let digits = rest.get(spaces..spaces + 3).filter(|_| spaces > 0 && minor.is_ascii_digit());
        let digits = digits.filter(|digits| digits.iter().all(u8::is_ascii_digit)).ok_or(MALFORMED)?;
        let end = line.len() - rest.len() + spaces + 3;
        let ends = line.get(end).is_none_or(|byte| is_space(*byte) || matches!(byte, b'\r' | b'\n'));
        let status = StatusCode::from_bytes(digits).map_err(|_| MALFORMED)?;
        if ends { Ok(Self { status, is_http10: *minor == b'0', end }) } else { Err(MALFORMED) }
    }

    /// Tells whether the bytes can be the beginning of a status line.
    pub(super) fn is_plausible(bytes: &[u8]) -> bool {
        let start = b"HTTP/1.";
        let some = bytes.len().min(start.len());
        bytes[..some] == start[..some]
    }
}

/// The lengths that a response declares. They have to be the same.
#[derive(Clone, Copy, Debug, Default)]
pub(in crate::upstream) struct Lengths {
    seen: Option<u64>,
    unreliable: bool,
}

impl Lengths {
    /// Takes one header value, which may be a list of the same length (RFC 9112, 6.3).
    pub(in crate::upstream) fn add(&mut self, value: &[u8]) {
        for length in value.split(|byte| *byte == b',').map(trimmed) {
            let digits = !length.is_empty() && length.iter().all(u8::is_ascii_digit);
            let length = str::from_utf8(length).ok().filter(|_| digits).and_then(|text| text.parse().ok());
            // Some readers behind the gateway read a length that a signed number does not hold as
            // another length, or as none.
            let length = length.filter(|length: &u64| i64::try_from(*length).is_ok());
            self.unreliable |= length.is_none() || self.seen.is_some_and(|seen| Some(seen) != length);
            self.seen = length;
        }
    }

    /// Returns the length, if there is one.
    ///
    /// # Errors
    /// Returns [`Broken`] if a value is no number, or two differ.
    pub(in crate::upstream) fn single(self) -> Result<Option<u64>, Broken> {
        if self.unreliable {
            Err(Broken("its length is no number, or two lengths differ"))
        } else {
            Ok(self.seen)
        }
    }
}

/// A summary of the lines so far. It takes each line once, without the line end.
#[derive(Debug)]
pub(super) struct Lines {
    pub(super) lengths: Lengths,
    chunked: bool,
    /// True if a line about framing is not reliable.
    unreliable: bool,
    /// True if the previous line was about framing. Such a line must not be folded.
    framing_before: bool,
    is_http10: bool,
    closes: bool,
    keeps_alive: bool,
    pub(super) count: usize,
}

impl Lines {
    pub(super) fn new(start: StatusLine) -> Self {
        Self {
            lengths: Lengths::default(),
            chunked: false,
            unreliable: false,
            framing_before: false,
            is_http10: start.is_http10,
            closes: false,
            keeps_alive: false,
            count: 0,
        }
    }

    /// Takes one line. Of a `cut` line, only the beginning is given.
    pub(super) fn add(&mut self, line: &[u8], cut: bool) -> LineKind {
        self.count += 1;
        if line.first().is_some_and(|byte| is_space(*byte)) {
            self.unreliable |= self.framing_before || mimics_framing(line);
            return LineKind::Nothing;
        }
        let kind = self.kind(line);
        self.framing_before = matches!(kind, LineKind::Length { .. } | LineKind::Coding);
        self.unreliable |= self.framing_before && cut;
        kind
    }

    fn kind(&mut self, line: &[u8]) -> LineKind {
        let Some(colon) = memchr(b':', line) else {
            self.unreliable |= mimics_framing(line);
            return LineKind::Nothing;
        };
        let (name, value) = (&line[..colon], &line[colon + 1..]);
        if name.eq_ignore_ascii_case(LENGTH) {
            self.lengths.add(value);
            return LineKind::Length { colon };
        }
        if name.eq_ignore_ascii_case(CODING) {
            self.coding(value);
            return LineKind::Coding;
        }
        if mimics(name, true) {
            // With an underscore the name is valid, and no reader of HTTP takes it for framing.
            self.unreliable |= !name.iter().all(|byte| is_token(*byte));
            return LineKind::Nothing;
        }
        if name.trim_ascii_end().eq_ignore_ascii_case(b"connection") {
            let mut options = value.split(|byte| *byte == b',').map(<[u8]>::trim_ascii);
            self.closes |= options.clone().any(|option| option.eq_ignore_ascii_case(b"close"));
            self.keeps_alive |= options.any(|option| option.eq_ignore_ascii_case(b"keep-alive"));
        }
        LineKind::Field { colon }
    }

    /// Takes a transfer coding. The gateway asks only for `chunked`, and decodes no other coding.
    fn coding(&mut self, value: &[u8]) {
        let repeated = std::mem::replace(&mut self.chunked, true);
        self.unreliable |= !trimmed(value).eq_ignore_ascii_case(b"chunked") || repeated || self.is_http10;
    }

    /// Returns the framing of the body. For a response without a body the lines do not matter.
    ///
    /// # Errors
    /// Returns [`Broken`] if the lines are not reliable.
    pub(super) fn framing(&self, bodiless: bool) -> Result<Framing, Broken> {
        if bodiless {
            return Ok(Framing::Length(0));
        }
        let length = self.lengths.single()?;
        match (self.unreliable, self.chunked, length) {
            (true, ..) => Err(Broken("its framing is malformed or ambiguous")),
            (false, true, _) => Ok(Framing::Chunked),
            (false, false, Some(length)) => Ok(Framing::Length(length)),
            (false, false, None) => Ok(Framing::Close),
        }
    }

    /// Tells whether the connection ends with this response.
    pub(super) fn closes(&self) -> bool {
        self.closes || (self.is_http10 && !self.keeps_alive)
    }
}

/// Tells whether a length is written in canonical digits, which cannot be read in two ways.
pub(in crate::upstream) fn is_canonical(digits: &[u8]) -> bool {
    let [first, rest @ ..] = digits else { return false };
    digits.iter().all(u8::is_ascii_digit) && (*first != b'0' || rest.is_empty())
}

/// Tells whether another reader could take a line that is not about framing for one that is: a reader
/// that skips bytes that no name may have, or that takes `_` for `-`.
fn mimics_framing(line: &[u8]) -> bool {
    match memchr(b':', line) {
        Some(colon) => mimics(&line[..colon], true),
        None => mimics(line, false),
    }
}

/// Tells the same of a name before a colon, or of a line without one.
fn mimics(name: &[u8], has_colon: bool) -> bool {
    [LENGTH, CODING].into_iter().any(|own| {
        let mut read = name.iter().filter(|byte| is_token(**byte));
        let same = own.iter().all(|own| {
            read.next().is_some_and(|byte| match byte {
                b'_' => *own == b'-',
                byte => byte.to_ascii_lowercase() == *own,
            })
        });
        same && (!has_colon || read.next().is_none())
    })
}

/// Removes spaces and tabs around a value, and no other kind of space.
fn trimmed(mut value: &[u8]) -> &[u8] {
    while let [b' ' | b'\t', rest @ ..] | [rest @ .., b' ' | b'\t'] = value {
        value = rest;
    }
    value
}

pub(super) fn is_space(byte: u8) -> bool {
    matches!(byte, b' ' | b'\t')
}

/// Tells whether a byte is a `tchar` (RFC 9110, 5.6.2).
fn is_token(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&byte)
}
