//! Spans of time and sizes in the notation for people: `24h`, `500ms`, `1MiB`, `10MB`.

use std::fmt;
use std::time::Duration;

/// Reads a span of time: numbers with units, such as `24h` or `1h 30m`.
///
/// # Errors
/// A message that says why the text is not a span of time.
pub fn parse_span(text: &str) -> Result<Duration, String> {
    humantime::parse_duration(text)
        .map_err(|_| format!("{text:?} is not a span of time; write it like \"24h\", \"10m\" or \"500ms\""))
}

/// Reads a size: plain bytes, or a whole number with a unit.
///
/// # Errors
/// A message that says why the text is not a size.
pub(super) fn parse_size(text: &str) -> Result<u64, String> {
    let refused = || {
        format!(
            "{text:?} is not a size; write whole bytes, or a unit of B, KB, MB, GB, KiB, MiB, GiB, \
             like \"64KiB\""
        )
    };
    let text = text.trim();
    let digits = text.find(|c: char| !c.is_ascii_digit()).unwrap_or(text.len());
    let (number, unit) = text.split_at(digits);
    let factor: u64 = match unit.trim_start().to_ascii_lowercase().as_str() {
        "" | "b" => 1,
        "kb" => 1_000,
        "mb" => 1_000_000,
        "gb" => 1_000_000_000,
        "kib" => 1 << 10,
        "mib" => 1 << 20,
        "gib" => 1 << 30,
        _ => return Err(refused()),
    };
    let number: u64 = number.parse().map_err(|_| refused())?;
    number.checked_mul(factor).ok_or_else(|| format!("{text:?} is more bytes than can be counted"))
}

/// A span of time. It is shown in the notation of the configuration, in its largest whole unit.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Span(pub Duration);

impl fmt::Display for Span {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        const SECOND: u128 = 1_000;
        const HOUR: u128 = 60 * 60 * SECOND;
        let millis = self.0.as_millis();
        // One day is shown in hours, because "24h" is the usual notation.
        let units = [(24 * HOUR, 2, "d"), (HOUR, 1, "h"), (60 * SECOND, 1, "m"), (SECOND, 1, "s")];
        for (unit, least, name) in units {
            if millis.is_multiple_of(unit) && millis / unit >= least {
                return write!(f, "{}{name}", millis / unit);
            }
        }
        if millis == 0 { f.write_str("0s") } else { write!(f, "{millis}ms") }
    }
}

/// A number of bytes. It is shown in its largest whole unit, with binary units first.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Size(pub u64);

impl fmt::Display for Size {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let units: [(u64, &str); 6] = [
            (1 << 30, "GiB"),
            (1_000_000_000, "GB"),
            (1 << 20, "MiB"),
            (1_000_000, "MB"),
            (1 << 10, "KiB"),
            (1_000, "KB"),
        ];
        let whole = |(unit, _): &&(u64, &str)| self.0 != 0 && self.0.is_multiple_of(*unit);
        match units.iter().find(whole) {
            Some((unit, name)) => write!(f, "{}{name}", self.0 / unit),
            None => write!(f, "{}B", self.0),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_are_read_and_shown() {
        for (text, bytes, shown) in [
            ("0", 0, "0B"),
            ("17", 17, "17B"),
            ("64KiB", 65_536, "64KiB"),
            ("1 mib", 1_048_576, "1MiB"),
            ("10MB", 10_000_000, "10MB"),
            ("1536 B", 1536, "1536B"),
            ("2gb", 2_000_000_000, "2GB"),
        ] {
            assert_eq!(parse_size(text), Ok(bytes), "{text}");
            assert_eq!(Size(bytes).to_string(), shown, "{text}");
        }
        for text in ["", "MiB", "1.5MiB", "-1", "1 TiB", "1MiB2", "18446744073709551616", "1\u{663}"] {
            assert!(parse_size(text).is_err_and(|why| why.contains("KiB")), "{text}");
        }
        assert!(parse_size("18446744073GB").is_ok());
        assert!(parse_size("17179869184GiB").is_err_and(|why| why.contains("more bytes")));
    }

    #[test]
    fn spans_are_shown_in_their_largest_whole_unit() {
        for (text, shown) in [
            ("0s", "0s"),
            ("1500ms", "1500ms"),
            ("90s", "90s"),
            ("1h 30m", "90m"),
            ("1d", "24h"),
            ("30d", "30d"),
            ("36h", "36h"),
        ] {
            assert_eq!(parse_span(text).map(|span| Span(span).to_string()), Ok(shown.into()), "{text}");
        }
        for text in ["", "10", "h", "ten", "-1s", "99999999999999999999y"] {
            assert!(parse_span(text).is_err_and(|why| why.contains("\"24h\"")), "{text}");
        }
    }
}
