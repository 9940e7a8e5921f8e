//! Rewriting of `Location` and `Content-Location`: an address of the upstream itself gets the scheme and host
//! that the client asked for. A client that follows a redirect must neither bypass the gateway nor learn an
//! inner address.
//!
//! A stored response keeps the upstream's own address. The rewriting is done for each client, because a retry
//! may use another name of this gateway.

use std::collections::{BTreeMap, BTreeSet};

use http::header::{CONTENT_LOCATION, HOST, HeaderName, LOCATION};
use http::uri::Authority;
use http::{HeaderMap, HeaderValue};
use parking_lot::Mutex;
use tracing::warn;

use crate::config::{Upstream, UpstreamName};
use crate::headers::{X_FORWARDED_HOST, X_FORWARDED_PROTO, tokens};
use crate::peer::Peer;

/// Headers with an address as their value.
static ADDRESSES: [HeaderName; 2] = [LOCATION, CONTENT_LOCATION];

/// The addresses of all upstreams.
pub(super) struct Locations {
    upstreams: BTreeMap<UpstreamName, UpstreamAuthority>,
    /// The upstreams about which a warning was already logged.
    warned: Mutex<BTreeSet<UpstreamName>>,
}

/// The authority of one upstream.
struct UpstreamAuthority {
    host: String,
    port: u16,
    rewritten: bool,
}

/// The scheme and host that a client asked for.
#[derive(Clone, Debug)]
pub(super) struct ClientOrigin {
    secure: bool,
    host: Option<HeaderValue>,
}

impl ClientOrigin {
    /// Returns the address that a request asked for. The forwarding headers count only if the proxy is
    /// `believed`.
    pub(super) fn of(headers: &HeaderMap, peer: Option<Peer>, believed: bool) -> Self {
        let forwarded = |name: &HeaderName| {
            let first = if believed { tokens(headers, name).next() } else { None };
            HeaderValue::from_bytes(first?).ok()
        };
        let secure = match forwarded(&X_FORWARDED_PROTO) {
            Some(scheme) => scheme.as_bytes().eq_ignore_ascii_case(b"https"),
            None => peer.is_some_and(|peer| peer.secure),
        };
        Self { secure, host: forwarded(&X_FORWARDED_HOST).or_else(|| headers.get(HOST).cloned()) }
    }

    fn base(&self) -> Option<String> {
        let scheme = if self.secure { "https" } else { "http" };
        let host = self.host.as_ref()?.to_str().ok()?.parse::<Authority>().ok()?;
        Some(format!("{scheme}://{host}"))
    }
}

impl Locations {
    /// Returns the addresses of these upstreams.
    pub(super) fn of(upstreams: &BTreeMap<UpstreamName, Upstream>) -> Self {
        let named = |(name, upstream): (&UpstreamName, &Upstream)| {
            let authority = upstream.url.authority()?;
            let port = authority.port_u16().unwrap_or_else(|| usual_port(upstream.url.scheme_str()));
            let host = authority.host().to_ascii_lowercase();
            Some((name.clone(), UpstreamAuthority { host, port, rewritten: upstream.rewrite_location }))
        };
        Self { upstreams: upstreams.iter().filter_map(named).collect(), warned: Mutex::default() }
    }

    /// Rewrites the addresses in a response of this upstream for a client that asked for `origin`.
    pub(super) fn rewrite(&self, upstream: &UpstreamName, headers: &mut HeaderMap, origin: &ClientOrigin) {
        let Some(authority) = self.upstreams.get(upstream) else { return };
        for name in ADDRESSES.iter().filter(|_| authority.rewritten) {
            let Some(value) = headers.get(name).filter(|_| headers.get_all(name).iter().count() == 1) else {
                continue;
            };
            if let Some(rest) = authority.after_authority(value.as_bytes())
                && let Some(base) = origin.base()
                && let Ok(rewritten) = HeaderValue::from_bytes(&[base.as_bytes(), rest].concat())
            {
                headers.insert(name, rewritten);
            }
        }
        self.warn_of_others(upstream, authority, headers);
    }

    /// Warns once if the upstream shows clients its own address in a header that is not rewritten.
    fn warn_of_others(&self, upstream: &UpstreamName, authority: &UpstreamAuthority, headers: &HeaderMap) {
        let shows = |(name, value): (&HeaderName, &HeaderValue)| {
            (!authority.rewritten || !ADDRESSES.contains(name)) && authority.is_in(value.as_bytes())
        };
        let Some((header, _)) = headers.iter().find(|(name, value)| shows((name, value))) else { return };
        let mut warned = self.warned.lock();
        if warned.insert(upstream.clone()) {
            warn!(
                %upstream, %header,
                "an answer shows clients the upstream's own address; preserve_host = true lets it use the \
                 address that they asked"
            );
        }
    }
}

impl UpstreamAuthority {
    /// Returns the part after the authority if the value is an address of this upstream, absolute or without
    /// its scheme.
    fn after_authority<'v>(&self, value: &'v [u8]) -> Option<&'v [u8]> {
        let value = value.trim_ascii();
        let (scheme, rest) = match value.strip_prefix(b"//") {
            Some(rest) => (None, rest),
            None => {
                let colon = value.iter().position(|byte| *byte == b':')?;
                let scheme = std::str::from_utf8(&value[..colon]).ok()?.to_ascii_lowercase();
                let known = ["http", "https"].contains(&&*scheme);
                (Some(scheme).filter(|_| known), value[colon..].strip_prefix(b"://").filter(|_| known)?)
            }
        };
        let end = rest.iter().position(|byte| matches!(byte, b'/' | b'?' | b'#')).unwrap_or(rest.len());
        let authority = Authority::try_from(&rest[..end]).ok()?;
        let port = authority.port_u16().or(scheme.map(|scheme| usual_port(Some(&scheme))));
        let same =
            authority.host().eq_ignore_ascii_case(&self.host) && port.is_none_or(|port| port == self.port);
        same.then_some(&rest[end..])
    }

    /// Tells whether a value contains an absolute address of this upstream.
    fn is_in(&self, value: &[u8]) -> bool {
        let colons = memchr::memchr_iter(b':', value);
        let mut starts = colons.filter(|at| value[*at..].starts_with(b"://"));
        starts.any(|at| {
            let begin =
                value[..at].iter().rposition(|byte| !byte.is_ascii_alphabetic()).map_or(0, |at| at + 1);
            let rest = &value[begin..];
            let end = rest.iter().position(|byte| b" \"'<>,;".contains(byte)).unwrap_or(rest.len());
            self.after_authority(&rest[..end]).is_some()
        })
    }
}

fn usual_port(scheme: Option<&str>) -> u16 {
    if scheme == Some("https") { 443 } else { 80 }
}

#[cfg(test)]
mod tests {
    use http::Uri;

    use super::*;

    const NAME: &str = "payments";

    fn authority(url: &str) -> UpstreamAuthority {
        let url: Uri = url.parse().expect("a URL");
        let authority = url.authority().expect("an authority");
        let port = authority.port_u16().unwrap_or_else(|| usual_port(url.scheme_str()));
        UpstreamAuthority { host: authority.host().to_ascii_lowercase(), port, rewritten: true }
    }

    fn rewritten(url: &str, location: &str, secure: bool) -> String {
        let name = UpstreamName::new(NAME);
        let upstreams = [(name.clone(), authority(url))].into();
        let locations = Locations { upstreams, warned: Mutex::default() };
        let origin = ClientOrigin { secure, host: Some(HeaderValue::from_static("shop.example:8443")) };
        let mut headers = HeaderMap::new();
        headers.insert(LOCATION, location.parse().expect("a value"));
        locations.rewrite(&name, &mut headers, &origin);
        headers[LOCATION].to_str().expect("text").to_owned()
    }

    #[test]
    fn addresses_of_the_upstream_get_the_clients() {
        for (url, location, expected) in [
            (
                "http://127.0.0.1:9000",
                "http://127.0.0.1:9000/v1/c?a=1#f",
                "http://shop.example:8443/v1/c?a=1#f",
            ),
            ("http://Api.internal", "HTTP://api.INTERNAL:80/x", "http://shop.example:8443/x"),
            ("http://api.internal", "http://api.internal", "http://shop.example:8443"),
            ("https://api.internal", "//api.internal/x", "http://shop.example:8443/x"),
            ("https://api.internal:443", "https://api.internal/x", "http://shop.example:8443/x"),
            ("http://[::1]:9000", "http://[::1]:9000/x", "http://shop.example:8443/x"),
        ] {
            assert_eq!(rewritten(url, location, false), expected, "{location}");
        }
        assert!(rewritten("http://a:1", "http://a:1/x", true).starts_with("https://shop.example:8443/x"));
    }

    #[test]
    fn other_addresses_stay() {
        for location in [
            "/v1/charges/",
            "charges/",
            "http://127.0.0.1:9001/x",
            "http://127.0.0.1:9000.evil.example/x",
            "https://other.example/?next=http://127.0.0.1:9000/",
            "ftp://127.0.0.1:9000/x",
            "http://127.0.0.10:9000/",
        ] {
            assert_eq!(rewritten("http://127.0.0.1:9000", location, false), location);
        }
    }

    #[test]
    fn an_address_is_found_inside_another_value() {
        let authority = authority("http://api.internal:9000");
        assert!(authority.is_in(b"<http://api.internal:9000/p?page=2>; rel=\"next\""));
        assert!(authority.is_in(b"0; url=http://api.internal:9000/x"));
        assert!(!authority.is_in(b"<http://shop.example/p>; rel=\"next\""));
        assert!(!authority.is_in(b"api.internal:9000"));
    }

    #[test]
    fn a_proxy_is_believed_only_where_it_is_trusted() {
        let mut headers = HeaderMap::new();
        headers.insert(HOST, HeaderValue::from_static("inner"));
        headers.insert(X_FORWARDED_HOST, HeaderValue::from_static("shop.example"));
        headers.insert(X_FORWARDED_PROTO, HeaderValue::from_static("https"));
        assert_eq!(ClientOrigin::of(&headers, None, true).base().as_deref(), Some("https://shop.example"));
        assert_eq!(ClientOrigin::of(&headers, None, false).base().as_deref(), Some("http://inner"));
    }
}
