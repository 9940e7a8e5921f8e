//! Lines of text without colours, as the library writes them, in fewer instructions. Each request writes a line
//! or two, and formatting them takes a good part of the work for a request.

use std::error::Error;
use std::fmt::{self, Debug};
use std::time::{SystemTime, UNIX_EPOCH};

use tracing::field::{Field, Visit};
use tracing_subscriber::field::{RecordFields, VisitOutput};
use tracing_subscriber::fmt::FormatFields;
use tracing_subscriber::fmt::format::{DefaultVisitor, Writer};
use tracing_subscriber::fmt::time::FormatTime;

const SECONDS_A_DAY: u64 = 24 * 60 * 60;
/// Largest time in milliseconds that is written by its thousandths.
const MOST_MS: f64 = 1e9;

/// The time of a line: RFC 3339, in UTC with microseconds.
pub(super) struct PlainTime;

impl FormatTime for PlainTime {
    fn format_time(&self, out: &mut Writer<'_>) -> fmt::Result {
        let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        let text = time_text(since.as_secs(), since.subsec_micros());
        out.write_str(str::from_utf8(&text).unwrap_or_default())
    }
}

/// Returns the text of a time since 1970, up to the year 9999.
fn time_text(seconds: u64, micros: u32) -> [u8; 27] {
    let (year, month, day) = date(seconds / SECONDS_A_DAY);
    let of_day = seconds % SECONDS_A_DAY;
    let mut text = *b"....-..-..T..:..:.........Z";
    put(&mut text[..4], year);
    put(&mut text[5..7], month);
    put(&mut text[8..10], day);
    put(&mut text[11..13], of_day / 3600);
    put(&mut text[14..16], of_day / 60 % 60);
    put(&mut text[17..19], of_day % 60);
    put(&mut text[20..26], micros.into());
    text
}

/// Returns year, month and day of a number of days since 1970, in the Gregorian calendar. The days are counted
/// in cycles of 400 years that begin with a March, so that a leap day is the last day of its year.
fn date(days: u64) -> (u64, u64, u64) {
    let days = days + 719_468;
    let (cycle, of_cycle) = (days / 146_097, days % 146_097);
    let year = (of_cycle - of_cycle / 1460 + of_cycle / 36_524 - of_cycle / 146_096) / 365;
    let of_year = of_cycle - (365 * year + year / 4 - year / 100);
    let from_march = (5 * of_year + 2) / 153;
    let day = of_year - (153 * from_march + 2) / 5 + 1;
    let month = if from_march < 10 { from_march + 3 } else { from_march - 9 };
    (cycle * 400 + year + u64::from(month <= 2), month, day)
}

/// Fills `digits` with the last decimal digits of a number.
fn put(digits: &mut [u8], mut number: u64) {
    for digit in digits.iter_mut().rev() {
        *digit = b'0' + (number % 10) as u8;
        number /= 10;
    }
}

/// The fields of a line: `name=value`, with the message first in its place and without a name.
pub(super) struct PlainFields;

impl<'w> FormatFields<'w> for PlainFields {
    fn format_fields<R: RecordFields>(&self, out: Writer<'w>, fields: R) -> fmt::Result {
        let mut visitor = PlainVisitor { out, is_empty: true, result: Ok(()) };
        fields.record(&mut visitor);
        visitor.result
    }
}

struct PlainVisitor<'w> {
    out: Writer<'w>,
    is_empty: bool,
    result: fmt::Result,
}

impl PlainVisitor<'_> {
    /// Writes a field in the library's own way.
    fn as_library(&mut self, record: impl FnOnce(&mut DefaultVisitor<'_>)) {
        if self.result.is_ok() {
            let mut visitor = DefaultVisitor::new(self.out.by_ref(), self.is_empty);
            record(&mut visitor);
            self.result = visitor.finish();
            self.is_empty = false;
        }
    }

    /// Writes the name of a field, and its value with `write`.
    fn named(&mut self, field: &Field, write: impl FnOnce(&mut Writer<'_>) -> fmt::Result) {
        if self.result.is_ok() {
            self.result = self.name(field.name()).and_then(|()| write(&mut self.out));
        }
    }

    fn name(&mut self, name: &str) -> fmt::Result {
        if !std::mem::take(&mut self.is_empty) {
            self.out.write_char(' ')?;
        }
        self.out.write_str(name)?;
        self.out.write_char('=')
    }

    fn number(&mut self, field: &Field, number: u64) {
        self.named(field, |out| write_number(out, number));
    }
}

/// Tells whether only the library writes this field: the message has no name, and another name is changed.
fn is_special(field: &Field) -> bool {
    field.name() == "message" || field.name().starts_with("r#")
}

fn write_number(out: &mut Writer<'_>, number: u64) -> fmt::Result {
    let mut digits = [0; 20];
    put(&mut digits, number);
    let first = digits[..19].iter().position(|digit| *digit != b'0').unwrap_or(19);
    out.write_str(str::from_utf8(&digits[first..]).unwrap_or_default())
}

/// Writes a number of milliseconds as `{:?}` does, if it has at most three decimals.
fn write_millis(out: &mut Writer<'_>, time: f64) -> fmt::Result {
    let thousandths = (time * 1e3).round();
    if !(time.is_sign_positive() && time < MOST_MS && thousandths / 1e3 == time) {
        return write!(out, "{time:?}");
    }
    let thousandths = thousandths as u64;
    write_number(out, thousandths / 1000)?;
    let mut decimals = *b".000";
    put(&mut decimals[1..], thousandths % 1000);
    let last = decimals.iter().rposition(|digit| *digit != b'0').unwrap_or(1).max(1);
    out.write_str(str::from_utf8(&decimals[..=last]).unwrap_or_default())
}

/// Tells whether `{:?}` writes a text as it stands, between quotation marks.
fn is_plain(text: &str) -> bool {
    text.bytes().all(|byte| matches!(byte, b' '..=b'~') && byte != b'"' && byte != b'\\')
}

impl Visit for PlainVisitor<'_> {
    fn record_str(&mut self, field: &Field, value: &str) {
        if is_special(field) || !is_plain(value) {
            return self.as_library(|library| library.record_str(field, value));
        }
        self.named(field, |out| {
            out.write_char('"')?;
            out.write_str(value)?;
            out.write_char('"')
        });
    }

    fn record_u64(&mut self, field: &Field, value: u64) {
        if is_special(field) {
            return self.as_library(|library| library.record_u64(field, value));
        }
        self.number(field, value);
    }

    fn record_f64(&mut self, field: &Field, value: f64) {
        if is_special(field) {
            return self.as_library(|library| library.record_f64(field, value));
        }
        self.named(field, |out| write_millis(out, value));
    }

    fn record_error(&mut self, field: &Field, value: &(dyn Error + 'static)) {
        self.as_library(|library| library.record_error(field, value));
    }

    fn record_debug(&mut self, field: &Field, value: &dyn Debug) {
        if is_special(field) {
            return self.as_library(|library| library.record_debug(field, value));
        }
        self.named(field, |out| write!(out, "{value:?}"));
    }
}

#[cfg(test)]
mod tests {
    use std::io;
    use std::sync::{Arc, Mutex};

    use tracing::dispatcher;
    use tracing_subscriber::layer::SubscriberExt;
    use tracing_subscriber::{Layer, fmt, registry};

    use super::*;

    #[derive(Clone, Default)]
    struct Lines(Arc<Mutex<Vec<u8>>>);

    impl io::Write for Lines {
        fn write(&mut self, line: &[u8]) -> io::Result<usize> {
            self.0.lock().expect("no test panics here").write(line)
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    /// Returns the lines of the events, with a layer that writes to the given lines.
    fn written<L: Layer<registry::Registry> + Send + Sync>(layer: impl FnOnce(Lines) -> L) -> String {
        let lines = Lines::default();
        dispatcher::with_default(&registry().with(layer(lines.clone())).into(), events);
        let bytes = lines.0.lock().expect("no test panics here").clone();
        String::from_utf8(bytes).expect("log lines are text")
    }

    fn events() {
        let error = io::Error::other("a cause");
        let error: &(dyn Error + 'static) = &error;
        tracing::info!(target: "oncegate::access", method = %"POST", path = "/v1/a", status = 201_u16, took_ms = 1.25);
        tracing::info!(
            path = "/a\"b\\c\u{1b}\té",
            route = "",
            error,
            "message \u{1b}[31m with {}",
            "colours"
        );
        tracing::warn!(a = -1, b = true, c = ?Some("x"), d = u64::MAX, e = 0_u64, r#type = "t", "{}", "x");
        for number in [0.0, 0.001, 0.1, 1.0, 10.5, 12.345, 999_999.999, 1e9, 1e300, -1.5, 0.000_1, 1.0 / 3.0]
        {
            tracing::error!(number, whole = number * 1e3);
        }
        tracing::error!(none = None::<u64>, some = Some(7_u64), no_number = f64::NAN);
    }

    #[test]
    fn lines_are_those_of_the_library() {
        let plain = |lines: Lines| {
            let layer = fmt::layer().with_writer(move || lines.clone()).with_ansi(false);
            layer.without_time().fmt_fields(PlainFields)
        };
        let own = written(plain);
        let library =
            |lines: Lines| fmt::layer().with_writer(move || lines.clone()).with_ansi(false).without_time();
        assert_eq!(own, written(library));
        assert!(own.contains("took_ms=1.25"), "{own}");
    }

    #[test]
    fn times_are_those_of_rfc_3339() {
        for days in (0..2_932_896).step_by(13).chain([59, 60, 11_016, 11_017, 47_540, 47_541]) {
            for seconds in [0, 1, 86_399, 45_296] {
                let (seconds, micros) = (days * SECONDS_A_DAY + seconds, 7_089);
                let time = UNIX_EPOCH + std::time::Duration::new(seconds, micros * 1000);
                let expected = humantime::format_rfc3339_micros(time).to_string();
                assert_eq!(String::from_utf8_lossy(&time_text(seconds, micros)), expected);
            }
        }
    }
}
