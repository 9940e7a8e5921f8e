//! The trace that a request belongs to (W3C Trace Context, level 1, sections 3 and 4).
//!
//! A gateway that makes no spans passes a trace on as it came, later versions of the format included. A
//! parent that cannot be read begins a new trace, and the state of the unreadable one is dropped with it:
//! `tracestate` says nothing without its `traceparent`.

use http::{HeaderMap, HeaderValue};

use crate::protocol::hex;
use crate::random;

use super::names::{TRACEPARENT, TRACESTATE};

/// Length of a parent in version 00. A later version may only be longer.
const LENGTH: usize = 55;

/// The parent of a request's spans, as `traceparent` names it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TraceParent {
    /// Id of the trace. Not zero.
    pub trace: [u8; 16],
    /// Id of the span that the client sent the request from. Not zero.
    pub span: [u8; 8],
    /// True if the client records the trace.
    pub is_sampled: bool,
}

impl TraceParent {
    /// Reads the parent of a request. Returns `None` if there is none, if it is broken, or if there are
    /// several.
    #[must_use]
    pub fn of(headers: &HeaderMap) -> Option<Self> {
        let mut values = headers.get_all(TRACEPARENT).iter();
        match (values.next(), values.next()) {
            (Some(value), None) => Self::parse(value.as_bytes()),
            _ => None,
        }
    }

    /// Reads a parent in version 00, or the parts of a later version that are written as in version 00.
    fn parse(value: &[u8]) -> Option<Self> {
        let (known, more) = value.split_at_checked(LENGTH)?;
        let ([version], known) = (digits(&known[..2])?, &known[2..]);
        let is_whole = match version {
            0 => more.is_empty(),
            0xff => false,
            _ => more.first().is_none_or(|byte| *byte == b'-'),
        };
        let part = |from: usize, to: usize| known[from..to].strip_prefix(b"-");
        let (trace, span) = (digits(part(0, 33)?)?, digits(part(33, 50)?)?);
        let [flags] = digits(part(50, 53)?)?;
        let is_set = trace != [0; 16] && span != [0; 8];
        (is_whole && is_set).then_some(Self { trace, span, is_sampled: flags & 1 == 1 })
    }
}

/// Begins a trace where a request belongs to none that can be read.
pub(super) fn begin_if_untraced(headers: &mut HeaderMap) {
    if TraceParent::of(headers).is_none() {
        headers.insert(TRACEPARENT, new_parent());
        headers.remove(TRACESTATE);
    }
}

/// Makes the parent of a trace that begins here. Its flags say that it is not recorded yet.
fn new_parent() -> HeaderValue {
    let mut random = random::bytes::<24>();
    random[0] |= 1;
    random[16] |= 1;
    let mut value = *b"00-................................-................-00";
    hex::write(&random[..16], &mut value[3..35]);
    hex::write(&random[16..], &mut value[36..52]);
    HeaderValue::from_bytes(&value).expect("hexadecimal digits and dashes")
}

/// Reads bytes of two lower-case hexadecimal digits each. `text` has exactly these digits.
fn digits<const N: usize>(text: &[u8]) -> Option<[u8; N]> {
    let digit = |byte: u8| match byte {
        b'0'..=b'9' => Some(byte - b'0'),
        b'a'..=b'f' => Some(byte - b'a' + 10),
        _ => None,
    };
    let mut bytes = [0; N];
    if text.len() != 2 * N {
        return None;
    }
    for (byte, pair) in bytes.iter_mut().zip(text.chunks_exact(2)) {
        *byte = digit(pair[0])? << 4 | digit(pair[1])?;
    }
    Some(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::headers::tests::headers;

    const VALID: &str = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01";

    /// Returns the headers as they go on, for these lines of the client's.
    fn sent(lines: &[(&str, &str)]) -> HeaderMap {
        let mut headers = headers(lines);
        begin_if_untraced(&mut headers);
        headers
    }

    #[test]
    fn a_trace_goes_on_as_it_came() {
        for (parent, is_sampled) in [
            (VALID, true),
            ("00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-00", false),
            // Flags of a later level.
            ("00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-03", true),
            ("00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-fe", false),
            // Later versions, with more fields or without.
            ("cc-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01", true),
            ("cc-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01-", true),
            ("fe-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01-what-the-future-will-be-like", true),
        ] {
            let states = [("traceparent", parent), ("tracestate", "a=1,b=2"), ("tracestate", "c=3")];
            let traced = headers(&states);
            assert_eq!(sent(&states), traced, "{parent}");
            let read = TraceParent::of(&traced).expect("a parent");
            assert_eq!(hex::encode(&read.trace, &mut [0; 32]), &parent[3..35]);
            assert_eq!(hex::encode(&read.span, &mut [0; 16]), &parent[36..52]);
            assert_eq!(read.is_sampled, is_sampled, "{parent}");
        }
    }

    /// The cases are those of the W3C's own tests.
    #[test]
    fn a_parent_that_cannot_be_read_begins_a_trace_without_its_state() {
        for broken in [
            "",
            "00-0-0-0",
            // Versions: illegal, too short, too long, and the one that is no version.
            ".0-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01",
            "0.-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01",
            "+0-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01",
            "0-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01",
            "000-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01",
            "CC-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01",
            "ff-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01",
            "ff-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01-more",
            // Traces.
            "00-00000000000000000000000000000000-00f067aa0ba902b7-01",
            "cc-00000000000000000000000000000000-00f067aa0ba902b7-01",
            "00-4BF92F3577B34DA6A3CE929D0E0E4736-00f067aa0ba902b7-01",
            "00-.bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01",
            "00-4bf92f3577b34da6a3ce929d0e0e473-00f067aa0ba902b7-01",
            "00-4bf92f3577b34da6a3ce929d0e0e47366-00f067aa0ba902b7-01",
            // Spans.
            "00-4bf92f3577b34da6a3ce929d0e0e4736-0000000000000000-01",
            "00-4bf92f3577b34da6a3ce929d0e0e4736-00F067AA0BA902B7-01",
            "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b-01",
            "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b77-01",
            // Flags.
            "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-0A",
            "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-.0",
            "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-1",
            "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-001",
            "cc-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-001",
            "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7",
            // Ends: version 00 has no more fields, and a later one separates them.
            "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01-",
            "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01-what-the-future-will-be-like",
            "cc-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01.what-the-future-will-be-like",
            // Separators.
            "00_4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01",
            "00-4bf92f3577b34da6a3ce929d0e0e4736_00f067aa0ba902b7-01",
            "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7_01",
            "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01,00-4bf92f3577b34da6a3ce929d0e0e4736-\
             00f067aa0ba902b7-01",
        ] {
            assert_begins(&[("traceparent", broken), ("tracestate", "a=1"), ("tracestate", "b=2")]);
        }
        assert_begins(&[("traceparent", VALID), ("traceparent", VALID), ("tracestate", "a=1")]);
        assert_begins(&[("traceparent", VALID), ("tracestate", "a=1"), ("traceparent", "")]);
        assert_begins(&[("tracestate", "a=1")]);
        assert_begins(&[]);
    }

    fn assert_begins(lines: &[(&str, &str)]) {
        let sent = sent(lines);
        let parent = TraceParent::of(&sent).unwrap_or_else(|| panic!("{lines:?}: {sent:?}"));
        assert!(!parent.is_sampled, "{lines:?}");
        assert!(lines.iter().all(|(_, value)| sent[TRACEPARENT] != value), "{lines:?}");
        assert!(!sent.contains_key(TRACESTATE), "{lines:?}");
    }
}
