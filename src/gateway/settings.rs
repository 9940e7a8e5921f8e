//! The settings of the gateway that a reload replaces as a whole. A request keeps those it began with.

use std::collections::BTreeMap;

use ipnet::IpNet;

use crate::config::{Server, Upstream, UpstreamName};
use crate::peer::Peer;

use super::cors::Cors;
use super::location::Locations;

/// The settings that requests are answered by.
pub(super) struct Settings {
    pub(super) locations: Locations,
    trusted_proxies: Vec<IpNet>,
    pub(super) problem_docs: Option<String>,
    /// Pages of other origins that may read answers, if any may.
    pub(super) cors: Option<Cors>,
}

impl Settings {
    /// Takes the settings of the listener, in front of these upstreams.
    pub(super) fn new(server: &Server, upstreams: &BTreeMap<UpstreamName, Upstream>) -> Self {
        Self {
            locations: Locations::of(upstreams),
            trusted_proxies: server.trusted_proxies.clone(),
            problem_docs: server.problem_docs.clone(),
            cors: server.cors.as_ref().map(Cors::new),
        }
    }

    /// Tells whether the forwarding headers of a peer are trusted.
    pub(super) fn believes(&self, peer: Option<Peer>) -> bool {
        peer.is_some_and(|peer| self.trusted_proxies.iter().any(|net| net.contains(&peer.address)))
    }
}
