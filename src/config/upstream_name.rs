//! The name of an upstream.

use std::fmt;
use std::sync::Arc;

/// The name of an upstream. Put into a request's extensions, it tells the proxy where to go.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct UpstreamName(pub Arc<str>);

impl fmt::Display for UpstreamName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl UpstreamName {
    /// Beginning of the names of the upstreams that receive the questions of probes. No configured upstream
    /// may have such a name.
    pub const PROBE: &str = "probe:";

    /// Names the upstream that receives the questions of a route.
    #[must_use]
    pub fn of_probe(route: &str) -> Self {
        Self(format!("{}{route}", Self::PROBE).into())
    }

    /// Tells whether this upstream receives the questions of a probe and was not written by an operator.
    #[must_use]
    pub fn is_of_probe(&self) -> bool {
        self.0.starts_with(Self::PROBE)
    }
}
