//! The rule against an upstream that is the gateway itself: each request would come back until no connection
//! is left.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};

use http::Uri;

use super::upstreams::Upstreams;
use crate::config::mistakes::KeyCursor;

/// Refuses each upstream at the address of one of the gateway's own listeners, which are given with their
/// keys.
pub fn no_loop(at: &KeyCursor<'_>, upstreams: &Upstreams, listeners: [(&str, SocketAddr); 2]) -> Option<()> {
    let mut apart = Some(());
    for (name, upstream) in upstreams {
        let Some(upstream) = upstream else { continue };
        let own = listeners.iter().find(|(_, listener)| is_at(&upstream.url, *listener));
        if let Some((key, listener)) = own {
            apart = at.key(name.as_str()).key("url").refuse(format!(
                "is the gateway itself ({key} = {listener}): what it forwards would come back to it; allowed: the \
                 address of the API behind it"
            ));
        }
    }
    apart
}

/// Tells whether a URL leads to a listener of this machine, as far as that is known without name resolution.
fn is_at(url: &Uri, listener: SocketAddr) -> bool {
    let usual = if url.scheme_str() == Some("https") { 443 } else { 80 };
    // The system replaces port 0 with a free port.
    if listener.port() == 0 || url.port_u16().unwrap_or(usual) != listener.port() {
        return false;
    }
    let host = url.host().unwrap_or_default().trim_end_matches('.').to_ascii_lowercase();
    let address = host.trim_matches(['[', ']']).parse::<IpAddr>().ok();
    let addresses = match address {
        // A connection to the unspecified address is a connection to this machine.
        Some(IpAddr::V4(Ipv4Addr::UNSPECIFIED)) => vec![Ipv4Addr::LOCALHOST.into()],
        Some(IpAddr::V6(Ipv6Addr::UNSPECIFIED)) => vec![Ipv6Addr::LOCALHOST.into()],
        Some(address) => vec![address.to_canonical()],
        None if host == "localhost" || host.ends_with(".localhost") => {
            vec![Ipv4Addr::LOCALHOST.into(), Ipv6Addr::LOCALHOST.into()]
        }
        None => Vec::new(),
    };
    addresses.into_iter().any(|address| listens(listener.ip().to_canonical(), address))
}

/// Tells whether a connection to `address` reaches a listener at `listener`.
fn listens(listener: IpAddr, address: IpAddr) -> bool {
    match listener {
        IpAddr::V4(any) if any.is_unspecified() => address.is_loopback() && address.is_ipv4(),
        // The unspecified IPv6 address usually covers both address families.
        IpAddr::V6(any) if any.is_unspecified() => address.is_loopback(),
        one => one == address,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn is_loop(url: &str, listener: &str) -> bool {
        is_at(&url.parse().expect("a URL"), listener.parse().expect("an address"))
    }

    #[test]
    fn all_names_of_this_machine_are_loops() {
        for (url, listener) in [
            ("http://127.0.0.1:8080", "127.0.0.1:8080"),
            ("http://localhost:8080", "127.0.0.1:8080"),
            ("http://LocalHost.:8080", "127.0.0.1:8080"),
            ("http://api.localhost:8080", "[::1]:8080"),
            ("http://0.0.0.0:8080", "127.0.0.1:8080"),
            ("http://[::]:8080", "[::1]:8080"),
            ("http://127.0.0.1:8080", "0.0.0.0:8080"),
            ("http://127.0.0.7:8080", "0.0.0.0:8080"),
            ("http://[::1]:8080", "[::]:8080"),
            ("http://127.0.0.1:8080", "[::]:8080"),
            ("http://[::ffff:127.0.0.1]:8080", "127.0.0.1:8080"),
            ("http://10.0.0.1:8080", "10.0.0.1:8080"),
            ("http://localhost", "127.0.0.1:80"),
            ("https://localhost", "127.0.0.1:443"),
        ] {
            assert!(is_loop(url, listener), "{url} and {listener}");
        }
    }

    #[test]
    fn other_addresses_are_no_loop() {
        for (url, listener) in [
            ("http://127.0.0.1:9000", "127.0.0.1:8080"),
            ("http://127.0.0.2:8080", "127.0.0.1:8080"),
            ("http://[::1]:8080", "127.0.0.1:8080"),
            ("http://[::1]:8080", "0.0.0.0:8080"),
            ("http://payments:8080", "0.0.0.0:8080"),
            ("http://10.0.0.1:8080", "0.0.0.0:8080"),
            ("http://localhost:8080", "127.0.0.1:0"),
            ("http://localhost", "127.0.0.1:8080"),
        ] {
            assert!(!is_loop(url, listener), "{url} and {listener}");
        }
    }
}
