//! The division of a body into its parts.

use memchr::memmem::Finder;

/// Longest boundary (RFC 2046, 5.1.1).
const LONGEST_BOUNDARY: usize = 70;

/// The text behind a boundary.
enum Delimiter {
    /// A line end behind which a part begins, at this distance.
    Part(usize),
    /// The end of the last part.
    Close,
}

/// Divides a body into its parts, each with its headers. Returns `None` if a boundary stands anywhere else
/// than alone in a line, because some readers see the end of a part there and others do not.
pub(super) fn split<'t>(body: &'t [u8], boundary: &[u8]) -> Option<Vec<&'t [u8]>> {
    if boundary.is_empty()
        || boundary.len() > LONGEST_BOUNDARY
        || !boundary.iter().all(|byte| is_boundary(*byte))
    {
        return None;
    }
    let delimiter = [b"--", boundary].concat();
    let mut pieces = Vec::new();
    // Start of the part before the delimiter that is looked at, and whether the last delimiter was found.
    let (mut start, mut is_closed) = (None, false);
    for at in Finder::new(&delimiter).find_iter(body) {
        let before = &body[..at];
        if is_closed || !(before.is_empty() || before.ends_with(b"\r\n")) {
            return None;
        }
        if let Some(start) = start {
            // An empty part has no line end between the two delimiters, and is no part to some readers.
            pieces.push(body.get(start..at.checked_sub(2)?)?);
        }
        let behind = at + delimiter.len();
        match Delimiter::read(&body[behind..])? {
            Delimiter::Part(length) => start = Some(behind + length),
            Delimiter::Close => is_closed = true,
        }
    }
    is_closed.then_some(pieces)
}

impl Delimiter {
    fn read(behind: &[u8]) -> Option<Self> {
        let (is_close, rest) = behind.strip_prefix(b"--").map_or((false, behind), |rest| (true, rest));
        let padding = rest.iter().take_while(|byte| matches!(byte, b' ' | b'\t')).count();
        let rest = &rest[padding..];
        match (is_close, rest.starts_with(b"\r\n")) {
            (false, true) => Some(Self::Part(padding + 2)),
            (true, true) => Some(Self::Close),
            (true, false) if rest.is_empty() => Some(Self::Close),
            _ => None,
        }
    }
}

/// Tells whether a boundary may have this character. A space inside is left out: readers trim it.
fn is_boundary(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || b"'()+_,-./:=?".contains(&byte)
}
