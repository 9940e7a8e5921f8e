//! The framing of a chunked body (RFC 9112, 7.1), read strictly as it passes.

use super::head::{is_field_byte, is_token};

/// Maximum number of hexadecimal digits of a chunk's size.
const MAX_DIGITS: u32 = 16;
/// Maximum size of all chunk extensions in one body, in bytes. Their content is ignored.
const MAX_EXTENSIONS: usize = 4 * 1024;
/// Maximum size of a trailer section, in bytes. Its content is ignored.
const MAX_TRAILERS: usize = 8 * 1024;

/// The part of a body to which the next byte belongs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Position {
    Size {
        digits: u32,
    },
    /// Directly behind a semicolon, where an extension has to begin.
    ExtensionBegin,
    Extension,
    /// In a quoted value of an extension. `Escaped` is directly behind a backslash in it.
    Quoted,
    Escaped,
    SizeEnd,
    Data,
    DataEnd,
    DataEnded,
    /// The first byte of a line behind the last chunk.
    Trailer,
    TrailerName,
    TrailerValue,
    TrailerEnd,
    End,
    Over,
}

/// The state of a body that is being read.
#[derive(Clone, Copy, Debug)]
pub(super) struct Chunked {
    at: Position,
    /// Number of bytes left of the chunk.
    left: u64,
    extensions: usize,
    trailers: usize,
}

/// The error of a byte that a strict reader does not accept.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Broken;

impl Chunked {
    /// Returns the state before the first byte of a body.
    pub(super) fn new() -> Self {
        Self { at: Position::Size { digits: 0 }, left: 0, extensions: 0, trailers: 0 }
    }

    /// Tells whether the body is at its end.
    pub(super) fn is_over(&self) -> bool {
        self.at == Position::Over
    }

    /// Reads on. Returns the number of bytes to hand on, and the number of bytes behind them to drop.
    /// The dropped bytes are the trailers and the empty line behind them; `Strict` writes its own empty
    /// line.
    ///
    /// # Errors
    /// Returns [`Broken`] if one of the bytes is wrong.
    pub(super) fn read(&mut self, bytes: &[u8]) -> Result<(usize, usize), Broken> {
        let (mut passed, mut dropped) = (0, 0);
        while passed + dropped < bytes.len() && !self.is_over() {
            let rest = &bytes[passed + dropped..];
            if self.at == Position::Data {
                let some = rest.len().min(usize::try_from(self.left).unwrap_or(usize::MAX));
                self.left -= some as u64;
                passed += some;
                if self.left == 0 {
                    self.at = Position::DataEnd;
                }
                continue;
            }
            let behind = matches!(
                self.at,
                Position::Trailer
                    | Position::TrailerName
                    | Position::TrailerValue
                    | Position::TrailerEnd
                    | Position::End
            );
            self.at = self.step(rest[0])?;
            if behind { dropped += 1 } else { passed += 1 }
        }
        Ok((passed, dropped))
    }

    fn step(&mut self, byte: u8) -> Result<Position, Broken> {
        match (self.at, byte) {
            (Position::Size { digits }, byte) if byte.is_ascii_hexdigit() && digits < MAX_DIGITS => {
                let digit = (byte as char).to_digit(16).ok_or(Broken)?;
                self.left = self.left << 4 | u64::from(digit);
                Ok(Position::Size { digits: digits + 1 })
            }
            (Position::Size { digits: 1.. }, b';') => Ok(Position::ExtensionBegin),
            (Position::Size { digits: 1.. } | Position::Extension, b'\r') => Ok(Position::SizeEnd),
            (Position::ExtensionBegin | Position::Extension | Position::Quoted | Position::Escaped, byte) => {
                self.extension(byte)
            }
            (Position::SizeEnd, b'\n') if self.left == 0 => Ok(Position::Trailer),
            (Position::SizeEnd, b'\n') => Ok(Position::Data),
            (Position::DataEnd, b'\r') => Ok(Position::DataEnded),
            (Position::DataEnded, b'\n') => Ok(Position::Size { digits: 0 }),
            (Position::Trailer, b'\r') => Ok(Position::End),
            (Position::End, b'\n') => Ok(Position::Over),
            (at, byte) => self.trailer(at, byte),
        }
    }

    fn extension(&mut self, byte: u8) -> Result<Position, Broken> {
        self.extensions += 1;
        if !is_field_byte(byte) || self.extensions > MAX_EXTENSIONS {
            return Err(Broken);
        }
        Ok(match (self.at, byte) {
            (Position::Quoted, b'\\') => Position::Escaped,
            (Position::Quoted, b'"') => Position::Extension,
            (Position::Quoted | Position::Escaped, _) | (_, b'"') => Position::Quoted,
            _ => Position::Extension,
        })
    }

    fn trailer(&mut self, at: Position, byte: u8) -> Result<Position, Broken> {
        self.trailers += 1;
        if self.trailers > MAX_TRAILERS {
            return Err(Broken);
        }
        match (at, byte) {
            (Position::Trailer | Position::TrailerName, byte) if is_token(byte) => Ok(Position::TrailerName),
            (Position::TrailerName, b':') => Ok(Position::TrailerValue),
            (Position::TrailerValue, b'\r') => Ok(Position::TrailerEnd),
            (Position::TrailerValue, byte) if is_field_byte(byte) => Ok(Position::TrailerValue),
            (Position::TrailerEnd, b'\n') => Ok(Position::Trailer),
            _ => Err(Broken),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Returns the bytes handed on of a body that comes in pieces of `piece` bytes, and the bytes behind
    /// it.
    fn read(bytes: &[u8], piece: usize) -> Result<(Vec<u8>, Vec<u8>), Broken> {
        let (mut body, mut kept, mut used) = (Chunked::new(), Vec::new(), 0);
        while used < bytes.len() && !body.is_over() {
            let some = &bytes[used..bytes.len().min(used + piece)];
            let (passed, dropped) = body.read(some)?;
            kept.extend_from_slice(&some[..passed]);
            used += passed + dropped;
        }
        if !body.is_over() {
            return Err(Broken);
        }
        kept.extend_from_slice(b"\r\n");
        Ok((kept, bytes[used..].to_vec()))
    }

    #[test]
    fn a_body_passes_and_the_bytes_after_it_do_not() {
        for piece in 1..20 {
            let body = b"4;a=\"b\\\";\"\r\nwiki\r\nA\r\n0123456789\r\n0\r\n\r\nGET / HTTP/1.1";
            let (kept, next) = read(body, piece).expect("valid");
            assert_eq!(next, b"GET / HTTP/1.1");
            assert_eq!(kept, b"4;a=\"b\\\";\"\r\nwiki\r\nA\r\n0123456789\r\n0\r\n\r\n");
        }
    }

    #[test]
    fn trailers_are_taken_out() {
        for piece in 1..20 {
            let body = b"1\r\nx\r\n0\r\nIdempotency-Key: k\r\nA: \r\n\r\nnext";
            let (kept, next) = read(body, piece).expect("valid");
            assert_eq!((&kept[..], &next[..]), (&b"1\r\nx\r\n0\r\n\r\n"[..], &b"next"[..]));
        }
    }

    #[test]
    fn a_body_that_is_not_strictly_chunked_is_broken() {
        for body in [
            &b"\r\nx"[..],
            b" 1\r\nx\r\n0\r\n\r\n",
            b"1 \r\nx\r\n0\r\n\r\n",
            b"0x1\r\nx\r\n0\r\n\r\n",
            b"+1\r\nx\r\n0\r\n\r\n",
            b"-1\r\nx\r\n0\r\n\r\n",
            b"1\nx\n0\n\n",
            b"1\r\nxy\r\n0\r\n\r\n",
            b"2\r\nx\r\n0\r\n\r\n",
            b"1\rx\r\n0\r\n\r\n",
            b"1\r\nx\n0\r\n\r\n",
            b"00000000000000001\r\nx\r\n0\r\n\r\n",
            b"1;a\x00b\r\nx\r\n0\r\n\r\n",
            b"1;\r\nx\r\n0\r\n\r\n",
            b"1;a=\"b\r\nx\r\n0\r\n\r\n",
            b"1;a=\"b\\\"\r\nx\r\n0\r\n\r\n",
            b"1;a\nb\r\nx\r\n0\r\n\r\n",
            b"0\r\nA : b\r\n\r\n",
            b"0\r\n: b\r\n\r\n",
            b"0\r\nA: b\n\r\n",
            b"0\r\nA\r\n\r\n",
            b"0\r\n A: b\r\n\r\n",
            b"0\r\n\rX",
        ] {
            for piece in [1, 2, 100] {
                assert_eq!(read(body, piece), Err(Broken), "{:?}", String::from_utf8_lossy(body));
            }
        }
    }

    #[test]
    fn extensions_and_trailers_are_limited() {
        let long = |front: &str, byte: &str, count: usize, back: &str| {
            read(format!("{front}{}{back}", byte.repeat(count)).as_bytes(), 100)
        };
        assert!(long("0;", "a", MAX_EXTENSIONS, "\r\n\r\n").is_ok());
        assert!(long("0;", "a", MAX_EXTENSIONS + 1, "\r\n\r\n").is_err());
        assert!(long("", "1;aaaaaaaa\r\nx\r\n", MAX_EXTENSIONS / 8 + 1, "0\r\n\r\n").is_err());
        assert!(long("0\r\n", "a: b\r\n", MAX_TRAILERS / 6 - 1, "\r\n").is_ok());
        assert!(long("0\r\n", "a: b\r\n", MAX_TRAILERS / 6 + 1, "\r\n").is_err());
    }
}
