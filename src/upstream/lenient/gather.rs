//! A head that comes in. It is gathered up to its limit, and skimmed for its framing beyond the limit.

use bytes::{Buf, Bytes, BytesMut};
use memchr::memchr;

use super::Broken;
use super::fields::Head;
use super::lines::{Lines, StatusLine};

/// Maximum number of bytes of one head that are skimmed, unless twice the limit is larger.
const MAX_SKIMMED: usize = 16 << 20;
/// Length up to which a line is skimmed, in bytes. No line about framing needs more.
const MAX_SKIMMED_LINE: usize = 4 * 1024;

/// The state of a head that comes in. The result does not depend on the pieces in which the head comes,
/// and no byte is searched twice for the end.
#[derive(Debug)]
pub(super) struct Gathering {
    limit: usize,
    /// True if the head answers a HEAD request, so that no body follows.
    to_head: bool,
    /// Number of bytes of the buffer that were looked at.
    seen: usize,
    /// Start of the line that is not complete.
    line: usize,
    lines: usize,
    skimming: Option<Skimming>,
}

/// A head that is too large to be kept.
#[derive(Debug)]
struct Skimming {
    start: StatusLine,
    lines: Lines,
    /// True while the status line is still to be skipped.
    first: bool,
    /// True if only the beginning of the line is in the buffer.
    cut: bool,
    skimmed: usize,
}

impl Gathering {
    pub(super) fn new(limit: usize, to_head: bool) -> Self {
        Self { limit, to_head, seen: 0, line: 0, lines: 0, skimming: None }
    }

    /// Tells whether the head answers a HEAD request.
    pub(super) fn to_head(&self) -> bool {
        self.to_head
    }

    /// Reads on. Takes the head out of the buffer once it is complete.
    pub(super) fn read(&mut self, buffer: &mut BytesMut) -> Result<Option<Head>, Broken> {
        while self.skimming.is_none() {
            let Some(at) = memchr(b'\n', &buffer[self.seen..]) else {
                self.seen = buffer.len();
                if self.line == 0 && !StatusLine::is_plausible(buffer.trim_ascii_start()) {
                    return Err(Broken("it is not HTTP/1"));
                }
                if self.seen <= self.limit {
                    return Ok(None);
                }
                self.begin_skimming(buffer)?;
                break;
            };
            let end = self.seen + at + 1;
            let empty = is_empty(&buffer[self.line..end - 1]);
            if self.line == 0 && empty {
                // Some servers send one line end too many behind the previous body.
                buffer.advance(end);
                self.seen = 0;
                continue;
            }
            if self.line == 0 {
                StatusLine::read(&buffer[..end])?;
            }
            if end > self.limit {
                self.begin_skimming(buffer)?;
                break;
            }
            if empty {
                // A copy is small. A part would hold the whole buffer, which the next response can take.
                let head = Bytes::copy_from_slice(&buffer[..end]);
                buffer.advance(end);
                return Head::read(&head, self.lines, self.to_head).map(Some);
            }
            self.lines += usize::from(self.line > 0);
            (self.seen, self.line) = (end, end);
        }
        self.skim(buffer)
    }

    fn begin_skimming(&mut self, buffer: &BytesMut) -> Result<(), Broken> {
        let start = StatusLine::read(buffer)?;
        let lines = Lines::new(start);
        self.seen = 0;
        self.skimming = Some(Skimming { start, lines, first: true, cut: false, skimmed: 0 });
        Ok(())
    }

    fn skim(&mut self, buffer: &mut BytesMut) -> Result<Option<Head>, Broken> {
        let Some(skimming) = &mut self.skimming else { return Ok(None) };
        while let Some(at) = memchr(b'\n', &buffer[self.seen..]) {
            let end = self.seen + at;
            let line = &buffer[..end.min(MAX_SKIMMED_LINE)];
            let line = line.strip_suffix(b"\r").unwrap_or(line);
            let over = line.is_empty() && !skimming.first;
            if !skimming.first && !over {
                skimming.lines.add(line, skimming.cut || end > MAX_SKIMMED_LINE);
            }
            (skimming.first, skimming.cut) = (false, false);
            skimming.skimmed += end;
            buffer.advance(end + 1);
            self.seen = 0;
            if over {
                return Head::skimmed(skimming.start, &skimming.lines, self.to_head).map(Some);
            }
        }
        if buffer.len() > MAX_SKIMMED_LINE {
            skimming.skimmed += buffer.len() - MAX_SKIMMED_LINE;
            skimming.cut = true;
            buffer.truncate(MAX_SKIMMED_LINE);
        }
        self.seen = buffer.len();
        if skimming.skimmed > MAX_SKIMMED.max(2 * self.limit) {
            Err(Broken("its head has no end"))
        } else {
            Ok(None)
        }
    }
}

/// Tells whether a line has nothing before its end.
fn is_empty(line: &[u8]) -> bool {
    matches!(line, b"" | b"\r")
}
