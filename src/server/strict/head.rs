//! The head of a request, read strictly (RFC 9112, RFC 9110).

use http::{StatusCode, Uri};
use memchr::{memchr, memchr_iter};

use super::names::{connection, framing_look_alike};
use super::refusal::{
    BARE, NO_HOST, OTHER_HOST, Refusal, TOO_LARGE, TOO_LONG, TOO_MANY, WRONG_HOST, WRONG_TARGET, bad, refusal,
};

/// Maximum size of a head in bytes, including its empty line.
pub const MAX_HEAD: usize = 64 * 1024;
/// Maximum number of header lines.
pub const MAX_HEADERS: usize = 100;
/// Maximum length of a request target, in bytes.
pub const MAX_TARGET: usize = 8 * 1024;
/// Maximum length of a method that is logged for a refused request, in bytes.
const MAX_METHOD: usize = 32;

/// The framing of the body behind a head.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Framing {
    /// A number of bytes, perhaps zero.
    Length(u64),
    /// A chunked body.
    Chunked,
}

/// The header lines that have to agree with each other.
#[derive(Default)]
struct Lines<'a> {
    host: Option<&'a [u8]>,
    length: Option<u64>,
    chunked: bool,
}

/// Checks a whole head: from the request line to the empty line, both included.
///
/// # Errors
/// Returns the refusal of the first fault in the head.
pub fn check(head: &[u8]) -> Result<Framing, Refusal> {
    if head.len() > MAX_HEAD {
        return Err(TOO_LARGE);
    }
    let head = head.strip_suffix(b"\r\n\r\n").ok_or(BARE)?;
    let mut rest = lines(head);
    let first = rest.next().unwrap_or_default();
    let (target, minor) = request_line(first)?;
    let mut lines = Lines::default();
    for (number, line) in rest.enumerate() {
        if number >= MAX_HEADERS {
            return Err(TOO_MANY);
        }
        header_line(line, &mut lines)?;
    }
    host(&lines, target, minor)?;
    framing(&lines, minor)
}

/// Returns the method and the path of a head that is refused for another reason, as far as they can be
/// read.
pub(super) fn method_and_path(head: &[u8]) -> Option<(String, String)> {
    let end = memchr(b'\n', head)?;
    let line = head[..end].strip_suffix(b"\r")?;
    let mut parts = line.split(|byte| *byte == b' ');
    let (Some(method), Some(target), Some(_), None) =
        (parts.next(), parts.next(), parts.next(), parts.next())
    else {
        return None;
    };
    let named = !method.is_empty() && method.len() <= MAX_METHOD && method.iter().all(|byte| is_token(*byte));
    let target = Uri::try_from(target).ok().filter(|_| target.len() <= MAX_TARGET && named)?;
    Some((String::from_utf8_lossy(method).into_owned(), target.path().to_owned()))
}

/// Returns the lines of a head. A CR or LF that ends no line stays in its line, where no rule accepts
/// it.
fn lines(head: &[u8]) -> impl Iterator<Item = &[u8]> {
    let mut left = Some(head);
    std::iter::from_fn(move || {
        let head = left?;
        let mut ends = memchr_iter(b'\n', head).filter_map(|end| end.checked_sub(1));
        match ends.find(|end| head[*end] == b'\r') {
            Some(end) => {
                left = Some(&head[end + 2..]);
                Some(&head[..end])
            }
            None => left.take(),
        }
    })
}

/// Returns the target and the minor version of HTTP/1.
fn request_line(line: &[u8]) -> Result<(&[u8], u8), Refusal> {
    let mut parts = line.split(|byte| *byte == b' ');
    let (Some(method), Some(target), Some(version), None) =
        (parts.next(), parts.next(), parts.next(), parts.next())
    else {
        return Err(bad("The request line is not METHOD, target and version with one space between them."));
    };
    if method.is_empty() || !method.iter().all(|byte| is_token(*byte)) {
        return Err(bad("The method is not a token."));
    }
    let minor = match version {
        b"HTTP/1.1" => 1,
        b"HTTP/1.0" => 0,
        _ => return Err(bad("The version is not HTTP/1.1 or HTTP/1.0.")),
    };
    self::method(method)?;
    if target.len() > MAX_TARGET {
        return Err(TOO_LONG);
    }
    is_target(method, target).then_some((target, minor)).ok_or(WRONG_TARGET)
}

/// Refuses the methods that a proxy must not pass on.
pub(super) fn method(method: &[u8]) -> Result<(), Refusal> {
    match method {
        b"CONNECT" => Err(refusal(StatusCode::NOT_IMPLEMENTED, "CONNECT is not proxied.")),
        b"TRACE" => Err(refusal(StatusCode::METHOD_NOT_ALLOWED, "TRACE is not allowed.")),
        _ => Ok(()),
    }
}

/// Tells whether a target is in origin form, in absolute form, or `*` for OPTIONS. A fragment is
/// refused, because it is never sent. A target that the library does not read is refused here, because
/// the library would give no reason.
fn is_target(method: &[u8], target: &[u8]) -> bool {
    if target.first() == Some(&b'/') && target.iter().all(|byte| is_plain(*byte)) {
        return true;
    }
    let visible = target.iter().all(|byte| byte.is_ascii_graphic() && *byte != b'#');
    let formed = target.first() == Some(&b'/') || authority(target).is_some();
    visible && (formed || (target == b"*" && method == b"OPTIONS")) && Uri::try_from(target).is_ok()
}

/// Tells whether a byte has the same meaning to all readers of a path and query. Most targets have no other.
fn is_plain(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || matches!(byte, b'/' | b'-' | b'_' | b'.' | b'?' | b'=' | b'&')
}

/// Returns the authority of a target in absolute form.
fn authority(target: &[u8]) -> Option<&[u8]> {
    let scheme = target.iter().position(|byte| *byte == b':')?;
    let known = [&b"http"[..], b"https"].iter().any(|name| target[..scheme].eq_ignore_ascii_case(name));
    let rest = target[scheme..].strip_prefix(b"://").filter(|_| known)?;
    let end = rest.iter().position(|byte| matches!(byte, b'/' | b'?')).unwrap_or(rest.len());
    Some(&rest[..end])
}

fn header_line<'a>(line: &'a [u8], lines: &mut Lines<'a>) -> Result<(), Refusal> {
    if matches!(line.first(), Some(b' ' | b'\t')) {
        return Err(bad("A header line is folded."));
    }
    let colon = memchr(b':', line).ok_or(bad("A header line has no colon."))?;
    let (name, value) = (&line[..colon], &line[colon + 1..]);
    if name.is_empty() || !name.iter().all(|byte| is_token(*byte)) {
        return Err(bad("A header name is not a token directly before its colon."));
    }
    // The fold does not stop at the first wrong byte, so that many bytes are checked together.
    if !value.iter().fold(true, |fine, byte| fine & is_field_byte(*byte)) {
        return Err(match value.iter().find(|byte| !is_field_byte(**byte)) {
            Some(b'\r' | b'\n') => BARE,
            _ => bad("A header value has a control character."),
        });
    }
    let value = value.trim_ascii();
    match name.len() {
        4 if name.eq_ignore_ascii_case(b"host") => one_host(value, lines),
        6 if name.eq_ignore_ascii_case(b"expect") => expectation(value),
        10 if name.eq_ignore_ascii_case(b"connection") => connection(value),
        14 if name.eq_ignore_ascii_case(b"content-length") => content_length(value, &mut lines.length),
        17 if name.eq_ignore_ascii_case(b"transfer-encoding") => transfer_encoding(value, lines),
        14 | 17 => framing_look_alike(name),
        _ => Ok(()),
    }
}

fn one_host<'a>(value: &'a [u8], lines: &mut Lines<'a>) -> Result<(), Refusal> {
    match lines.host.replace(value) {
        Some(_) => Err(bad("There are two Host headers.")),
        None => Ok(()),
    }
}

pub(super) fn expectation(value: &[u8]) -> Result<(), Refusal> {
    match value.eq_ignore_ascii_case(b"100-continue") {
        true => Ok(()),
        false => Err(refusal(StatusCode::EXPECTATION_FAILED, "Only 100-continue can be expected.")),
    }
}

/// Reads a length in digits, which may come only once.
pub(super) fn content_length(value: &[u8], seen: &mut Option<u64>) -> Result<(), Refusal> {
    let digits = !value.is_empty() && value.iter().all(u8::is_ascii_digit);
    let length = str::from_utf8(value).ok().filter(|_| digits).and_then(|text| text.parse().ok());
    // Some servers behind the gateway read a length that a signed number does not hold as another
    // length, or as none.
    let length = length.filter(|length| i64::try_from(*length).is_ok());
    let length = length.ok_or(bad("Content-Length is not a number below 2^63."))?;
    match seen.replace(length) {
        Some(_) => Err(bad("There are two Content-Length headers.")),
        None => Ok(()),
    }
}

fn transfer_encoding(value: &[u8], lines: &mut Lines<'_>) -> Result<(), Refusal> {
    if std::mem::replace(&mut lines.chunked, true) {
        return Err(bad("There are two Transfer-Encoding headers."));
    }
    if value.eq_ignore_ascii_case(b"chunked") {
        return Ok(());
    }
    let mut codings = value.split(|byte| *byte == b',').map(<[u8]>::trim_ascii);
    let known = codings.all(|coding| coding.eq_ignore_ascii_case(b"chunked") || coding.is_empty());
    Err(if known {
        bad("Transfer-Encoding names chunked more than once, or has an empty element.")
    } else {
        refusal(StatusCode::NOT_IMPLEMENTED, "The only transfer coding accepted is chunked.")
    })
}

fn host(lines: &Lines<'_>, target: &[u8], minor: u8) -> Result<(), Refusal> {
    let Some(host) = lines.host else {
        return match minor {
            0 => Ok(()),
            _ => Err(NO_HOST),
        };
    };
    if !is_host(host) {
        return Err(WRONG_HOST);
    }
    match authority(target) {
        Some(authority) if !authority.eq_ignore_ascii_case(host) => Err(OTHER_HOST),
        _ => Ok(()),
    }
}

/// Tells whether a host is `uri-host [":" port]` (RFC 3986), and not empty.
pub(super) fn is_host(host: &[u8]) -> bool {
    let end = match host.first() {
        Some(b'[') => host.iter().position(|byte| *byte == b']').map(|end| end + 1),
        _ => Some(host.iter().position(|byte| *byte == b':').unwrap_or(host.len())),
    };
    let Some((name, port)) = end.map(|end| host.split_at(end)) else { return false };
    let valid = match name.strip_prefix(b"[").and_then(|rest| rest.strip_suffix(b"]")) {
        Some(address) => str::from_utf8(address).is_ok_and(|text| text.parse::<std::net::Ipv6Addr>().is_ok()),
        None => !name.is_empty() && name.iter().all(|byte| is_name_byte(*byte)),
    };
    let port = match port.strip_prefix(b":") {
        None => port.is_empty(),
        Some(digits) => str::from_utf8(digits)
            .is_ok_and(|text| text.bytes().all(|byte| byte.is_ascii_digit()) && text.parse::<u16>().is_ok()),
    };
    valid && port
}

fn framing(lines: &Lines<'_>, minor: u8) -> Result<Framing, Refusal> {
    match (lines.chunked, lines.length) {
        (true, Some(_)) => Err(bad("There are both Content-Length and Transfer-Encoding.")),
        (true, None) if minor == 0 => Err(bad("HTTP/1.0 has no Transfer-Encoding.")),
        (true, None) => Ok(Framing::Chunked),
        (false, length) => Ok(Framing::Length(length.unwrap_or(0))),
    }
}

/// Tells whether a byte is a `tchar` (RFC 9110, 5.6.2).
pub(super) fn is_token(byte: u8) -> bool {
    TOKEN[usize::from(byte)]
}

const TOKEN: [bool; 256] = {
    let mut table = [false; 256];
    let mut byte = 0;
    while byte < 128 {
        table[byte] = (byte as u8).is_ascii_alphanumeric();
        byte += 1;
    }
    let (others, mut at) = (b"!#$%&'*+-.^_`|~", 0);
    while at < others.len() {
        table[others[at] as usize] = true;
        at += 1;
    }
    table
};

/// Tells whether a header value may contain a byte.
pub(super) fn is_field_byte(byte: u8) -> bool {
    byte == b'\t' || byte >= 0x20 && byte != 0x7f
}

/// Tells whether a registered name may contain a byte: unreserved, sub-delims, or the start of an
/// escape.
fn is_name_byte(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || b"-._~!$&'()*+,;=%".contains(&byte)
}

#[cfg(test)]
mod tests;
