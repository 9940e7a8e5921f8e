//! Limits on all settings: the smallest and the largest value of each span, size and count.

use std::fmt;
use std::time::Duration;

use crate::config::file::SizeText;
use crate::config::mistakes::KeyCursor;
use crate::config::units::{Size, Span, parse_size, parse_span};

/// The smallest and the largest value of a key.
pub struct Limits<T> {
    least: T,
    most: T,
}

const fn spans(least: Duration, most: Duration) -> Limits<Span> {
    Limits { least: Span(least), most: Span(most) }
}

const TEN_MILLIS: Duration = Duration::from_millis(10);
const TENTH: Duration = Duration::from_millis(100);
const HOUR: Duration = Duration::from_secs(60 * 60);
const TEN_YEARS: Duration = Duration::from_secs(3650 * 24 * 60 * 60);

/// Limits of the drain timeout, and of the delay before the drain. With zero, running work is ended at once.
pub const DRAIN_TIMEOUT: Limits<Span> = spans(Duration::ZERO, HOUR);
/// Limits of the time for a client's head or body, for a connection between two requests, and for connecting
/// to an upstream.
pub const IO_TIMEOUT: Limits<Span> = spans(TEN_MILLIS, HOUR);
/// Limits of the time for which a browser remembers the answer to a preflight.
pub const PREFLIGHT_AGE: Limits<Span> = spans(Duration::ZERO, Duration::from_secs(24 * 60 * 60));
/// Limits of the time for an answer of the store. A store that takes longer than a minute is down.
pub const STORE_TIMEOUT: Limits<Span> = spans(TEN_MILLIS, Duration::from_secs(60));
/// Limits of the time that a start waits for its store. With zero, the start tries once.
pub const START_TIMEOUT: Limits<Span> = spans(Duration::ZERO, HOUR);
/// Limits of the time for an execution, which is held in memory for as long.
pub const RESPONSE_TIMEOUT: Limits<Span> = spans(TEN_MILLIS, HOUR);
/// Limits of the idle time of a connection to an upstream. Idle connections are checked four times within it.
pub const IDLE_TIMEOUT: Limits<Span> = spans(TENTH, HOUR);
/// Limits of the time that a duplicate waits. For no wait, `in_flight = "reject"` is used.
pub const WAIT_TIMEOUT: Limits<Span> = spans(TEN_MILLIS, HOUR);
/// Limits of a lease. A lease is renewed every third of its length, so a pause of the process would make a
/// shorter one lapse. A longer one leaves the operations of a crashed gateway undecided for as long.
pub const LEASE: Limits<Span> = spans(TENTH, HOUR);
/// Limits of the time that a stored response is replayed.
pub const TTL: Limits<Span> = spans(TENTH, TEN_YEARS);
/// Limits of the time that a tombstone is kept. With zero, there is no tombstone.
pub const TOMBSTONE_TTL: Limits<Span> = spans(Duration::ZERO, TEN_YEARS);

/// Limits of the time for which an upstream recognises its keys.
pub const WINDOW: Limits<Span> = spans(TENTH, TEN_YEARS);
/// Limits of the time for the answer to a probe.
pub const PROBE_TIMEOUT: Limits<Span> = spans(TEN_MILLIS, Duration::from_secs(5 * 60));
/// Limits of the time before "not executed" is believed. With zero, the upstream's search finds an operation
/// as soon as it is executed.
pub const NOT_BEFORE: Limits<Span> = spans(Duration::ZERO, Duration::from_secs(30 * 24 * 60 * 60));
/// Limits of each time over which a request may come again.
pub const HORIZON: Limits<Span> = spans(Duration::ZERO, TEN_YEARS);

/// Limits of the size of a request body, which is held in memory as a whole.
pub const REQUEST_BODY: Limits<Size> = Limits { least: Size(1), most: Size(1 << 30) };
/// Limits of the size of a response body that is kept. With zero, an answer with a body is recorded as not
/// retained.
pub const RESPONSE_BODY: Limits<Size> = Limits { least: Size(0), most: Size(1 << 30) };
/// Limits of the size of an answer's head, which is held in memory as a whole and stored with its body.
pub const RESPONSE_HEAD: Limits<Size> = Limits { least: Size(1 << 10), most: Size(16 << 20) };

#[cfg(feature = "redis")]
/// Limits of the number of replicas that a write waits for. A write that waits for more replicas than there
/// are waits in vain.
pub const REPLICAS: Limits<i64> = Limits { least: 0, most: 16 };
/// Limits of the number of connections or executions.
pub const COUNT: Limits<i64> = Limits { least: 1, most: 1_000_000 };

impl<T: PartialOrd + fmt::Display> Limits<T> {
    fn check(&self, at: &KeyCursor<'_>, value: T) -> Option<T> {
        if value < self.least || value > self.most {
            return at.refuse(format!("{value} is out of range; allowed: {} to {}", self.least, self.most));
        }
        Some(value)
    }
}

/// Checks a span of time.
pub fn span(at: &KeyCursor<'_>, text: &str, limits: &Limits<Span>) -> Option<Duration> {
    match parse_span(text) {
        Ok(span) => limits.check(at, Span(span)).map(|span| span.0),
        Err(message) => at.refuse(message),
    }
}

/// Checks a number of bytes.
pub fn size(at: &KeyCursor<'_>, text: &SizeText, limits: &Limits<Size>) -> Option<usize> {
    match parse_size(&text.0) {
        Ok(bytes) => limits.check(at, Size(bytes)).and_then(|size| usize::try_from(size.0).ok()),
        Err(message) => at.refuse(message),
    }
}

/// Checks a count.
pub fn count(at: &KeyCursor<'_>, number: i64, limits: &Limits<i64>) -> Option<usize> {
    limits.check(at, number).and_then(|number| usize::try_from(number).ok())
}

/// Checks a list of final statuses.
pub fn statuses(at: &KeyCursor<'_>, numbers: &[i64]) -> Option<Vec<u16>> {
    let checked = numbers.iter().enumerate().map(|(index, number)| {
        let status = u16::try_from(*number).ok().filter(|status| (200..600).contains(status));
        status
            .or_else(|| at.item(index).refuse(format!("{number} is not a final status; allowed: 200 to 599")))
    });
    checked.collect::<Vec<Option<u16>>>().into_iter().collect()
}

/// Longest name of a route, namespace or upstream, in characters.
const LONGEST_NAME: usize = 128;

/// Checks a name. Names appear in metrics, logs and record ids.
pub fn name<'n>(at: &KeyCursor<'_>, text: &'n str) -> Option<&'n str> {
    let printable = text.chars().all(|c| c.is_ascii_graphic() && c != '"' && c != '\\');
    if text.is_empty() || text.len() > LONGEST_NAME || !printable {
        return at.refuse(format!(
            "{text:?} is not a name; allowed: 1 to {LONGEST_NAME} printable ASCII characters \
             without spaces, quotes and backslashes"
        ));
    }
    Some(text)
}
