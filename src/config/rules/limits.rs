//! A limit on everything: the least and the most of each span, size and count.

use std::fmt;
use std::time::Duration;

use crate::config::file::SizeText;
use crate::config::problem::At;
use crate::config::units::{Size, Span, parse_size, parse_span};

/// The least and the most that a key takes.
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

/// Of a stop, and of the delay before it; zero ends at once what still runs.
pub const DRAIN_TIMEOUT: Limits<Span> = spans(Duration::ZERO, HOUR);
/// Of a client's head or body, of a connection between two requests, and of one connection to an upstream.
pub const IO_TIMEOUT: Limits<Span> = spans(TEN_MILLIS, HOUR);
/// A store that takes longer than a minute is down.
pub const STORE_TIMEOUT: Limits<Span> = spans(TEN_MILLIS, Duration::from_secs(60));
/// Zero tries once.
pub const START_TIMEOUT: Limits<Span> = spans(Duration::ZERO, HOUR);
/// Of an execution: it is held in memory for as long.
pub const RESPONSE_TIMEOUT: Limits<Span> = spans(TEN_MILLIS, HOUR);
/// The idle time of a connection to an upstream. Idle connections are checked four times within it.
pub const IDLE_TIMEOUT: Limits<Span> = spans(TENTH, HOUR);
/// Of a duplicate; a shorter wait is `in_flight = "reject"`.
pub const WAIT_TIMEOUT: Limits<Span> = spans(TEN_MILLIS, HOUR);
/// Renewals come every third of it, so a shorter one is lost to a pause of the process; a longer
/// one keeps the operations of a crashed gateway undecided for as long.
pub const LEASE: Limits<Span> = spans(TENTH, HOUR);
/// Of a stored response.
pub const TTL: Limits<Span> = spans(TENTH, TEN_YEARS);
/// Zero keeps no tombstone.
pub const TOMBSTONE_TTL: Limits<Span> = spans(Duration::ZERO, TEN_YEARS);

/// A body is held in memory whole.
pub const REQUEST_BODY: Limits<Size> = Limits { least: Size(1), most: Size(1 << 30) };
/// Zero remembers answers with a body as not retained.
pub const RESPONSE_BODY: Limits<Size> = Limits { least: Size(0), most: Size(1 << 30) };
/// The head of an answer, which is held in memory whole and stored with its body.
pub const RESPONSE_HEAD: Limits<Size> = Limits { least: Size(1 << 10), most: Size(16 << 20) };

/// A write that waits for more replicas than these waits for all of them in vain.
pub const REPLICAS: Limits<i64> = Limits { least: 0, most: 16 };
/// Of connections and executions.
pub const COUNT: Limits<i64> = Limits { least: 1, most: 1_000_000 };

impl<T: PartialOrd + fmt::Display> Limits<T> {
    fn check(&self, at: &At<'_>, value: T) -> Option<T> {
        if value < self.least || value > self.most {
            return at.refuse(format!("{value} is out of range; allowed: {} to {}", self.least, self.most));
        }
        Some(value)
    }
}

/// A span of time within limits.
pub fn span(at: &At<'_>, text: &str, limits: &Limits<Span>) -> Option<Duration> {
    match parse_span(text) {
        Ok(span) => limits.check(at, Span(span)).map(|span| span.0),
        Err(message) => at.refuse(message),
    }
}

/// A number of bytes within limits.
pub fn size(at: &At<'_>, text: &SizeText, limits: &Limits<Size>) -> Option<usize> {
    match parse_size(&text.0) {
        Ok(bytes) => limits.check(at, Size(bytes)).and_then(|size| usize::try_from(size.0).ok()),
        Err(message) => at.refuse(message),
    }
}

/// A count within limits.
pub fn count(at: &At<'_>, number: i64, limits: &Limits<i64>) -> Option<usize> {
    limits.check(at, number).and_then(|number| usize::try_from(number).ok())
}

/// The longest name of a route, namespace or upstream, in characters.
const LONGEST_NAME: usize = 128;

/// A name: it stands in metrics, logs and record ids.
pub fn name<'n>(at: &At<'_>, text: &'n str) -> Option<&'n str> {
    let printable = text.chars().all(|c| c.is_ascii_graphic() && c != '"' && c != '\\');
    if text.is_empty() || text.len() > LONGEST_NAME || !printable {
        return at.refuse(format!(
            "{text:?} is not a name; allowed: 1 to {LONGEST_NAME} printable ASCII characters \
             without spaces, quotes and backslashes"
        ));
    }
    Some(text)
}
