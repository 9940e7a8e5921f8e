//! The name of an upstream.

use std::fmt;
use std::sync::Arc;

/// The name of an upstream. Put into a request's extensions, it tells the proxy where to go.
///
/// A reload that changes the settings of an upstream gives the name a new generation, so that a request that
/// found its route before still goes where that route led. Clones of one name share their text, and the
/// number of clones tells whether a route or a request still uses the upstream.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct UpstreamName(Arc<Named>);

#[derive(PartialEq, Eq, PartialOrd, Ord, Hash)]
struct Named {
    text: Box<str>,
    generation: u64,
}

impl fmt::Display for UpstreamName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl fmt::Debug for UpstreamName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "UpstreamName({:?}, {})", self.as_str(), self.0.generation)
    }
}

impl UpstreamName {
    /// Beginning of the names of the upstreams that receive the questions of probes. No configured upstream
    /// may have such a name.
    pub const PROBE: &str = "probe:";

    /// Returns the name of an upstream of the first generation, as a file writes it.
    #[must_use]
    pub fn new(text: &str) -> Self {
        Self(Arc::new(Named { text: text.into(), generation: 0 }))
    }

    /// Returns the same name in another generation.
    #[must_use]
    pub(super) fn in_generation(&self, generation: u64) -> Self {
        Self(Arc::new(Named { text: self.as_str().into(), generation }))
    }

    /// Returns the name as a file writes it.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0.text
    }

    /// Names the upstream that receives the questions of a route.
    #[must_use]
    pub fn of_probe(route: &str) -> Self {
        Self::new(&format!("{}{route}", Self::PROBE))
    }

    /// Tells whether this upstream receives the questions of a probe and was not written by an operator.
    #[must_use]
    pub fn is_of_probe(&self) -> bool {
        self.as_str().starts_with(Self::PROBE)
    }

    /// Tells whether there is no other clone of this name: no route and no request leads to the upstream.
    #[must_use]
    pub fn is_unused(&self) -> bool {
        Arc::strong_count(&self.0) == 1
    }
}
