//! Header names with a special meaning: look-alikes of the headers that frame a message, and headers
//! that `Connection` must not take away.

use super::refusal::{Refusal, bad};

/// Headers that an upstream, or this gateway, acts on. A request that lets the next hop drop one of them
/// is another request behind that hop: with another host, another caller, or another length.
///
/// The key's own header is not here, because a route names it, and refuses it with its own message. A
/// name that ends with `-` stands for all names that begin with it.
const END_TO_END: [&str; 30] = [
    "accept",
    "api-key",
    "authorization",
    "cache-control",
    "content-",
    "cookie",
    "date",
    "digest",
    "expect",
    "forwarded",
    "host",
    "idempotency-",
    "if-",
    "origin",
    "prefer",
    "proxy-authorization",
    "range",
    "referer",
    "signature",
    "signature-input",
    "stripe-account",
    "traceparent",
    "tracestate",
    "via",
    "want-digest",
    "x-api-key",
    "x-forwarded-",
    "x-http-method",
    "x-http-method-override",
    "x-method-override",
];
/// The one name with a listed prefix that a route judges instead.
const KEY: &[u8] = b"idempotency-key";

/// Tells whether a name differs from `name`, but equals it for a server that takes `_` or any other mark
/// for `-`. CGI and WSGI pass names to programs in a form that no longer shows the difference. `name`
/// has one hyphen, at the index `hyphen`.
pub(super) fn looks_like(found: &[u8], name: &[u8], hyphen: usize) -> bool {
    found.len() == name.len()
        && !found[hyphen].is_ascii_alphanumeric()
        && found[hyphen] != b'-'
        && found[..hyphen].eq_ignore_ascii_case(&name[..hyphen])
        && found[hyphen + 1..].eq_ignore_ascii_case(&name[hyphen + 1..])
}

/// Refuses a name that differs from the name of a framing header only in its hyphen.
pub(super) fn framing_look_alike(name: &[u8]) -> Result<(), Refusal> {
    let alike = match name.len() {
        14 => looks_like(name, b"content-length", 7),
        17 => looks_like(name, b"transfer-encoding", 8),
        _ => false,
    };
    match alike {
        true => Err(bad("A header name looks like the name of a header that frames the message.")),
        false => Ok(()),
    }
}

/// Refuses a `Connection` header that names an end-to-end header.
pub(super) fn connection(value: &[u8]) -> Result<(), Refusal> {
    if value.eq_ignore_ascii_case(b"keep-alive") || value.eq_ignore_ascii_case(b"close") {
        return Ok(());
    }
    let mut named = value.split(|byte| *byte == b',').map(<[u8]>::trim_ascii);
    match named.any(is_end_to_end) {
        true => Err(bad("Connection names an end-to-end header.")),
        false => Ok(()),
    }
}

fn is_end_to_end(name: &[u8]) -> bool {
    let name: Vec<u8> = name
        .iter()
        .map(|byte| match byte {
            b'_' => b'-',
            byte => byte.to_ascii_lowercase(),
        })
        .collect();
    let is = |listed: &&str| match listed.ends_with('-') {
        true => name.starts_with(listed.as_bytes()),
        false => name == listed.as_bytes(),
    };
    name != KEY && END_TO_END.iter().any(is)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_a_name_with_another_mark_looks_like_it() {
        for name in ["Content_Length", "content.length", "TRANSFER_ENCODING", "transfer~encoding"] {
            assert!(framing_look_alike(name.as_bytes()).is_err(), "{name}");
        }
        for name in
            ["Content-Length", "transfer-encoding", "content0length", "content_lengths", "content_type"]
        {
            assert!(framing_look_alike(name.as_bytes()).is_ok(), "{name}");
        }
    }

    #[test]
    fn connection_removes_only_hop_by_hop_headers() {
        for value in [
            "close",
            "Keep-Alive",
            "TE, close",
            "x-hop",
            "Upgrade, HTTP2-Settings",
            "",
            ",",
            "transfer-encoding",
        ] {
            assert!(connection(value.as_bytes()).is_ok(), "{value}");
        }
        for value in [
            "Host",
            "close, Authorization",
            "cookie,close",
            "Content-Length",
            "content-encoding",
            "X-Forwarded-For",
            "x_forwarded_host",
            "Idempotency-Execution",
            "x-api-key",
            "api-key",
            "Stripe-Account",
            "Forwarded",
            "via",
        ] {
            assert!(connection(value.as_bytes()).is_err(), "{value}");
        }
        assert!(connection(b"Idempotency-Key").is_ok(), "its route says what is wrong with that");
    }
}
