//! The webhook for unknown outcomes.

use std::fmt;
use std::net::IpAddr;

use http::Uri;

/// A webhook that is told of each new unknown outcome.
#[derive(Clone, Debug)]
pub struct Notify {
    /// Address of the webhook.
    pub url: WebhookUrl,
    /// Secret of the signatures.
    pub secret: WebhookSecret,
}

/// The address of a webhook. Path and query may hold a credential, so only scheme, host and port are printed.
#[derive(Clone, PartialEq, Eq)]
pub struct WebhookUrl(pub Uri);

impl WebhookUrl {
    /// Tells whether events travel over a network without encryption.
    #[must_use]
    pub fn is_exposed(&self) -> bool {
        let host = self.0.host().unwrap_or_default();
        let address = host.trim_start_matches('[').trim_end_matches(']').parse::<IpAddr>();
        let is_local = host.eq_ignore_ascii_case("localhost") || address.is_ok_and(|ip| ip.is_loopback());
        self.0.scheme_str() == Some("http") && !is_local
    }
}

impl fmt::Display for WebhookUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let authority = self.0.authority().map_or("", |authority| authority.as_str());
        write!(f, "{}://{authority}", self.0.scheme_str().unwrap_or_default())
    }
}

impl fmt::Debug for WebhookUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{self}/…")
    }
}

/// The secret of a webhook's signatures: 24 to 64 bytes that are never printed.
#[derive(Clone, PartialEq, Eq)]
pub struct WebhookSecret(pub Vec<u8>);

impl fmt::Debug for WebhookSecret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("WebhookSecret(…)")
    }
}
