//! The names of upstreams from one configuration to the next.
//!
//! An upstream with the same settings keeps its name, and with it its connections. An upstream with other
//! settings gets a new generation of its name. All routes of a configuration share one name for one upstream.

use std::collections::BTreeMap;
use std::sync::Arc;

use super::settling::Settling;
use super::upstream_name::UpstreamName;
use super::{Config, Upstream};

impl Config {
    /// Returns the configuration with the names that `earlier` has for the same upstreams. Upstreams that are
    /// not among them get names of this generation, which must not have been used before.
    #[must_use]
    pub fn continuing(mut self, earlier: &BTreeMap<UpstreamName, Upstream>, generation: u64) -> Self {
        let kept = |name: &UpstreamName, upstream: &Upstream| {
            let mut same = earlier.iter().filter(|(known, _)| known.as_str() == name.as_str());
            same.find(|(_, known)| *known == upstream).map(|(known, _)| known.clone())
        };
        let renamed = |(name, upstream): (&UpstreamName, &Upstream)| {
            let new = || name.in_generation(generation);
            (name.as_str().to_owned(), kept(name, upstream).unwrap_or_else(new))
        };
        let names: BTreeMap<String, UpstreamName> = self.upstreams.iter().map(renamed).collect();
        // A checked configuration names no other upstreams.
        let new = |old: &UpstreamName| names.get(old.as_str()).unwrap_or(old).clone();
        let upstreams = std::mem::take(&mut self.upstreams);
        self.upstreams = upstreams.into_iter().map(|(name, upstream)| (new(&name), upstream)).collect();
        if let Some(fallback) = &mut self.fallback {
            fallback.upstream = new(&fallback.upstream);
        }
        for route in &mut self.routes {
            let route = Arc::make_mut(route);
            route.upstream = new(&route.upstream);
            if let Settling::Probe(probe) = &mut route.settling {
                let probe = Arc::make_mut(probe);
                probe.upstream = new(&probe.upstream);
            }
        }
        self
    }
}
