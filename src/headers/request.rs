//! Request headers, made fit for the upstream. The headers of one connection are deleted first, before
//! anything else those that `Connection` names. Only then are the gateway's own headers added, so that no
//! client can have them deleted again.

use std::net::IpAddr;

use bytes::Bytes;
use http::header::{HOST, HeaderName, VIA};
use http::{HeaderMap, HeaderValue, Version};

use crate::peer::Peer;
use crate::protocol::{Key, KeyForm, RecordId, hex};

use super::hop::{strip_hop_by_hop, tokens};
use super::names::{
    FORWARDING, IDEMPOTENCY_EXECUTION, NEVER_BELIEVED, X_FORWARDED_FOR, X_FORWARDED_HOST, X_FORWARDED_PROTO,
    is_mimic,
};
use super::trace_context::begin_if_untraced;

/// Deletes the headers that the upstream must not see:
///
/// - the headers of a single connection,
/// - the headers that only a gateway may send, unless the peer is `trusted` to send them,
/// - the names that many servers confuse with these, or with a header that was `read` to judge the request,
///   because these servers treat `_` and `-` as equal.
pub fn clean_request<'n>(
    headers: &mut HeaderMap,
    trusted: bool,
    read: impl Iterator<Item = &'n str> + Clone,
) {
    strip_hop_by_hop(headers);
    // Two names without `_` are the same name or no mimics.
    let reads_underscore = read.clone().any(|name| name.contains('_'));
    let deleted = |name: &&HeaderName| {
        NEVER_BELIEVED.contains(name)
            || (!trusted && FORWARDING.contains(name))
            || ((reads_underscore || name.as_str().contains('_')) && is_mimic(name, read.clone()))
    };
    // Few requests have any.
    let deleted: Vec<HeaderName> = headers.keys().filter(deleted).cloned().collect();
    for name in deleted {
        headers.remove(name);
    }
}

/// Adds the gateway's own headers to a clean request that arrived in `version`.
pub fn add_own(headers: &mut HeaderMap, version: Version, peer: Option<Peer>) {
    if let Some(peer) = peer {
        headers.insert(X_FORWARDED_FOR, forwarded_for(headers, peer));
    }
    if let Some(host) = headers.get(HOST).cloned() {
        headers.entry(X_FORWARDED_HOST).or_insert(host);
    }
    let scheme = if peer.is_some_and(|peer| peer.secure) { "https" } else { "http" };
    headers.entry(X_FORWARDED_PROTO).or_insert_with(|| HeaderValue::from_static(scheme));
    headers.append(VIA, via(version));
    begin_if_untraced(headers);
}

/// Returns the `Via` entry: the version in which the request arrived, and this gateway (RFC 9110, 7.6.3).
fn via(version: Version) -> HeaderValue {
    HeaderValue::from_static(match version {
        Version::HTTP_10 => "1.0 oncegate",
        Version::HTTP_2 => "2 oncegate",
        Version::HTTP_3 => "3 oncegate",
        _ => "1.1 oncegate",
    })
}

/// Returns all addresses on the way so far, with the peer last.
fn forwarded_for(headers: &HeaderMap, peer: Peer) -> HeaderValue {
    let peer = address_text(peer.address);
    let before: Vec<_> = tokens(headers, &X_FORWARDED_FOR).collect();
    let chain = match before[..] {
        [] => HeaderValue::from_maybe_shared(Bytes::from(peer)),
        _ => HeaderValue::from_bytes(&[before, vec![&*peer]].concat().join(&b", "[..])),
    };
    chain.expect("parts of header values and an address make one")
}

/// Writes an address as text. For most addresses, this takes a tenth of the instructions that formatting does.
fn address_text(address: IpAddr) -> Vec<u8> {
    let IpAddr::V4(address) = address else { return address.to_string().into_bytes() };
    let mut text = Vec::with_capacity(15);
    for (place, octet) in address.octets().into_iter().enumerate() {
        if place > 0 {
            text.push(b'.');
        }
        push_number(&mut text, octet.into());
    }
    text
}

/// Appends the decimal digits of a number.
fn push_number(text: &mut Vec<u8>, number: u32) {
    if number >= 10 {
        push_number(text, number / 10);
    }
    text.push(b'0' + (number % 10) as u8);
}

/// Returns the address that the last proxy on the way saw. That proxy added it to the header as the last
/// entry.
pub fn forwarded_address(headers: &HeaderMap) -> Option<IpAddr> {
    let last = tokens(headers, &X_FORWARDED_FOR).last()?;
    std::str::from_utf8(last).ok()?.parse().ok()
}

/// Sends the key in a header, in one form, whichever form it arrived in. `from` is the header that it arrived
/// in, which is deleted if it is another one. Without `to`, the key is sent in no header.
pub fn forward_key(
    headers: &mut HeaderMap,
    key: &Key,
    from: Option<&HeaderName>,
    to: Option<(KeyForm, &HeaderName)>,
) {
    let value = |text: &str| HeaderValue::from_str(text).expect("a key is printable ASCII");
    let sent = to.map(|(form, name)| {
        let as_sent = || from.and_then(|from| headers.get(from)).cloned();
        let value = match form {
            KeyForm::Bare => value(key.as_str()),
            KeyForm::AsSent => as_sent().unwrap_or_else(|| value(key.as_str())),
            KeyForm::Quoted => value(&key.quoted()),
        };
        (name, value)
    });
    if let Some(from) = from.filter(|from| to.is_none_or(|(_, name)| name != from)) {
        headers.remove(from);
    }
    if let Some((name, value)) = sent {
        headers.insert(name, value);
    }
}

/// Names the execution to the upstream.
pub fn name_execution(headers: &mut HeaderMap, id: RecordId, n: u32) {
    let mut execution = Vec::with_capacity(56);
    execution.resize(40, 0);
    hex::write(id.as_bytes(), &mut execution);
    execution.push(b':');
    push_number(&mut execution, n);
    let execution = HeaderValue::from_maybe_shared(Bytes::from(execution));
    headers.insert(IDEMPOTENCY_EXECUTION, execution.expect("hexadecimal digits, a colon and a number"));
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::headers::IDEMPOTENCY_KEY;
    use crate::headers::tests::headers;

    fn prepare_request(headers: &mut HeaderMap, version: Version, peer: Option<Peer>, trusted: bool) {
        clean_request(headers, trusted, std::iter::empty());
        add_own(headers, version, peer);
    }

    const PEER: Peer = Peer { address: IpAddr::V4(std::net::Ipv4Addr::new(192, 0, 2, 1)), secure: false };

    #[test]
    fn connection_takes_what_it_names_but_never_ours() {
        let mut request = headers(&[
            ("connection", "x-secret, Idempotency-Execution, via"),
            ("connection", "close"),
            ("x-secret", "1"),
            ("te", "trailers"),
            ("upgrade", "websocket"),
            ("host", "api.example"),
            ("idempotency-execution", "forged:1"),
        ]);
        prepare_request(&mut request, Version::HTTP_11, Some(PEER), false);
        let key = Key::parse(b"\"k\"").expect("valid key");
        let id = RecordId::from_bytes(&[7; 20]).expect("twenty bytes");
        forward_key(&mut request, &key, None, Some((KeyForm::Bare, &IDEMPOTENCY_KEY)));
        name_execution(&mut request, id, 2);
        for gone in ["connection", "x-secret", "te", "upgrade"] {
            assert!(!request.contains_key(gone), "{gone}");
        }
        assert_eq!(request["via"], "1.1 oncegate");
        assert_eq!(request["idempotency-key"], "k");
        assert_eq!(request["idempotency-execution"], format!("{id}:2"));
        assert_eq!(request["x-forwarded-for"], "192.0.2.1");
        assert_eq!(request["x-forwarded-host"], "api.example");
        assert_eq!(request["x-forwarded-proto"], "http");
    }

    #[test]
    fn the_key_goes_on_in_one_header_and_one_form() {
        let x_key = HeaderName::from_static("x-key");
        let key = Key::parse(b"\"k 1\"").expect("valid key");
        let sent = [("x-key", "\"k 1\""), ("idempotency-key", "the client's own")];
        let (usual, other) = (Some(&IDEMPOTENCY_KEY), Some(&x_key));
        for (from, to, left) in [
            (other, Some((KeyForm::Bare, &x_key)), [Some("k 1"), Some("the client's own")]),
            (other, Some((KeyForm::Quoted, &x_key)), [Some("\"k 1\""), Some("the client's own")]),
            (other, Some((KeyForm::AsSent, &IDEMPOTENCY_KEY)), [None, Some("\"k 1\"")]),
            (other, Some((KeyForm::Bare, &IDEMPOTENCY_KEY)), [None, Some("k 1")]),
            (other, None, [None, Some("the client's own")]),
            (usual, None, [Some("\"k 1\""), None]),
            (None, Some((KeyForm::AsSent, &IDEMPOTENCY_KEY)), [Some("\"k 1\""), Some("k 1")]),
            (None, None, [Some("\"k 1\""), Some("the client's own")]),
        ] {
            let mut request = headers(&sent);
            forward_key(&mut request, &key, from, to);
            let value = |name| request.get(name).map(|value| value.to_str().expect("text"));
            assert_eq!([value(&x_key), value(&IDEMPOTENCY_KEY)], left, "{from:?} {to:?}");
        }
        let mut twice = headers(&[("idempotency-key", "a"), ("idempotency-key", "b")]);
        forward_key(&mut twice, &key, None, Some((KeyForm::Bare, &IDEMPOTENCY_KEY)));
        assert_eq!(twice.get_all(IDEMPOTENCY_KEY).iter().count(), 1, "the client's lines are replaced");
    }

    #[test]
    fn via_goes_on_with_the_version_in_which_the_request_came() {
        for (version, said) in [
            (Version::HTTP_10, "1.0 oncegate"),
            (Version::HTTP_11, "1.1 oncegate"),
            (Version::HTTP_2, "2 oncegate"),
            (Version::HTTP_3, "3 oncegate"),
        ] {
            let mut request = headers(&[("via", "1.1 edge")]);
            prepare_request(&mut request, version, Some(PEER), false);
            assert_eq!(request.get_all(VIA).iter().collect::<Vec<_>>(), ["1.1 edge", said]);
        }
    }

    #[test]
    fn addresses_and_numbers_are_written_as_they_are_displayed() {
        for address in ["0.0.0.0", "127.0.0.1", "10.99.100.255", "::1", "2001:db8::ff00:42"] {
            let parsed: IpAddr = address.parse().expect("an address");
            assert_eq!(address_text(parsed), address.as_bytes());
        }
        for number in [0, 7, 10, 99, 100, 1_234_567_890, u32::MAX] {
            let mut text = Vec::new();
            push_number(&mut text, number);
            assert_eq!(text, number.to_string().into_bytes());
        }
    }

    /// CGI and its successors have one variable for both spellings.
    #[test]
    fn what_only_looks_like_ours_goes_no_further() {
        let read = ["idempotency-key", "authorization", "x_tenant_id"];
        let sent = [
            ("content_type", "text/plain"),
            ("x_http_method_override", "PUT"),
            ("authorization_", "x"),
            ("x-tenant-id", "other"),
            ("x_tenant-id", "other"),
            ("x_tenant_id", "t"),
            ("x_forwarded_for", "203.0.113.9"),
            ("x-forwarded_proto", "https"),
            ("idempotency_execution", "forged:1"),
            ("idempotency_key", "other"),
            ("traceparent_", "x"),
            ("x_request_id", "r"),
            ("idempotency-key", "k"),
        ];
        for trusted in [false, true] {
            let mut request = headers(&sent);
            clean_request(&mut request, trusted, read.into_iter());
            let mut left: Vec<_> = request.keys().map(HeaderName::as_str).collect();
            left.sort_unstable();
            assert_eq!(
                left,
                ["authorization_", "idempotency-key", "traceparent_", "x_request_id", "x_tenant_id"]
            );
        }
        let mut unprotected = headers(&[("idempotency_key", "k")]);
        clean_request(&mut unprotected, false, std::iter::empty());
        assert_eq!(unprotected.len(), 1);
    }

    #[test]
    fn only_a_trusted_peer_is_believed() {
        let sent =
            [("x-forwarded-for", "203.0.113.9"), ("x-forwarded-proto", "https"), ("forwarded", "for=x")];
        let (mut stranger, mut trusted) = (headers(&sent), headers(&sent));
        prepare_request(&mut stranger, Version::HTTP_11, Some(PEER), false);
        prepare_request(&mut trusted, Version::HTTP_11, Some(PEER), true);
        assert_eq!(stranger["x-forwarded-for"], "192.0.2.1");
        assert_eq!(stranger["x-forwarded-proto"], "http");
        assert!(!stranger.contains_key("forwarded"));
        assert_eq!(trusted["x-forwarded-for"], "203.0.113.9, 192.0.2.1");
        assert_eq!(trusted["x-forwarded-proto"], "https");
    }
}
