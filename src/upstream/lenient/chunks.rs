//! The end of a chunked body (RFC 9112, 7.1).
//!
//! The HTTP library checks whether the framing is right. Here the framing is only followed, to find the
//! end of the body and to remove the trailers.

/// Maximum size of a trailer section, in bytes.
const MAX_TRAILERS: usize = 64 * 1024;

/// The part of a body to which the next byte belongs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Position {
    Size,
    Extension,
    SizeEnd,
    Data,
    DataEnd,
    DataEnded,
    /// Behind the last chunk. `empty` tells whether the line is empty so far.
    Trailers {
        empty: bool,
    },
    Over,
    /// Behind a fault in the framing.
    Malformed,
}

/// The state of a body that is being read.
#[derive(Clone, Copy, Debug)]
pub(super) struct Chunks {
    at: Position,
    /// Number of bytes left of the chunk.
    left: u64,
    trailers: usize,
}

impl Chunks {
    /// Returns the state before the first chunk.
    pub(super) fn new() -> Self {
        Self { at: Position::Size, left: 0, trailers: 0 }
    }

    /// Tells whether the body is at its end.
    pub(super) fn is_over(&self) -> bool {
        self.at == Position::Over
    }

    /// Reads on. Returns the number of bytes to hand on, and the number of bytes behind them to drop:
    /// the trailers, and the empty line behind them.
    pub(super) fn read(&mut self, bytes: &[u8]) -> (usize, usize) {
        let (mut passed, mut dropped) = (0, 0);
        while passed + dropped < bytes.len() && !self.is_over() {
            let rest = &bytes[passed + dropped..];
            match self.at {
                Position::Data => {
                    let some = rest.len().min(usize::try_from(self.left).unwrap_or(usize::MAX));
                    self.left -= some as u64;
                    passed += some;
                    if self.left == 0 {
                        self.at = Position::DataEnd;
                    }
                }
                Position::Malformed => passed += rest.len(),
                Position::Trailers { empty } => {
                    self.trailer(empty, rest[0]);
                    dropped += 1;
                }
                at => {
                    self.at = self.step(at, rest[0]);
                    passed += 1;
                }
            }
        }
        (passed, dropped)
    }

    fn step(&mut self, at: Position, byte: u8) -> Position {
        match (at, byte) {
            (Position::Size, byte) if byte.is_ascii_hexdigit() => {
                let digit = (byte as char).to_digit(16).map_or(0, u64::from);
                match self.left.checked_mul(16) {
                    Some(left) => {
                        self.left = left | digit;
                        Position::Size
                    }
                    None => Position::Malformed,
                }
            }
            (Position::Size, b' ' | b'\t' | b';') => Position::Extension,
            (Position::Size | Position::Extension, b'\r') => Position::SizeEnd,
            (Position::Extension, _) => Position::Extension,
            (Position::SizeEnd, b'\n') if self.left == 0 => Position::Trailers { empty: true },
            (Position::SizeEnd, b'\n') => Position::Data,
            (Position::DataEnd, b'\r') => Position::DataEnded,
            (Position::DataEnded, b'\n') => Position::Size,
            _ => Position::Malformed,
        }
    }

    fn trailer(&mut self, empty: bool, byte: u8) {
        self.trailers += 1;
        self.at = match byte {
            _ if self.trailers > MAX_TRAILERS => Position::Malformed,
            b'\n' if empty => Position::Over,
            b'\n' => Position::Trailers { empty: true },
            b'\r' => Position::Trailers { empty },
            _ => Position::Trailers { empty: false },
        };
    }
}
