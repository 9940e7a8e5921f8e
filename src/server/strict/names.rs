//! Header names that mean more than they say: look-alikes of what frames a message, and headers that
//! `Connection` must not take away.

use super::head::{Refusal, bad};

/// Headers that an upstream, or this gateway, goes by. A request that lets the next hop drop one of them
/// is another request behind it: with another host, another caller, or another length.
///
/// The key's own header is not here: a route says which that is, and refuses it in its own words. What ends
/// with `-` stands for all names that begin so.
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
/// The one name with a prefix from above that a route judges.
const KEY: &[u8] = b"idempotency-key";

/// Whether a name is not `name`, but is to a server that takes `_` or any other mark for `-`: what CGI and
/// WSGI hand to programs no longer shows the difference. `name` has one hyphen, which is at `hyphen`.
pub(super) fn looks_like(found: &[u8], name: &[u8], hyphen: usize) -> bool {
    found.len() == name.len()
        && !found[hyphen].is_ascii_alphanumeric()
        && found[hyphen] != b'-'
        && found[..hyphen].eq_ignore_ascii_case(&name[..hyphen])
        && found[hyphen + 1..].eq_ignore_ascii_case(&name[hyphen + 1..])
}

/// A name that differs from that of a framing header in its hyphen only.
pub(super) fn framing_look_alike(name: &[u8]) -> Result<(), Refusal> {
    let alike = match name.len() {
        14 => looks_like(name, b"content-length", 7),
        17 => looks_like(name, b"transfer-encoding", 8),
        _ => false,
    };
    match alike {
        true => Err(bad("A header's name looks like that of one that frames the message.")),
        false => Ok(()),
    }
}

/// What `Connection` names.
pub(super) fn connection(value: &[u8]) -> Result<(), Refusal> {
    if value.eq_ignore_ascii_case(b"keep-alive") || value.eq_ignore_ascii_case(b"close") {
        return Ok(());
    }
    let mut named = value.split(|byte| *byte == b',').map(<[u8]>::trim_ascii);
    match named.any(is_end_to_end) {
        true => Err(bad("Connection names a header that is for the end of the way.")),
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
    fn connection_takes_away_only_what_belongs_to_the_hop() {
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
