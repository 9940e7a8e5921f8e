//! The witnesses of a process: one for each route with a policy that asks for evidence.

use std::collections::HashMap;
use std::sync::Arc;

use crate::call::Upstream;
use crate::config::{EvidenceSource, Route, Settling};
use crate::protocol::Record;

use super::Keeper;
use super::probe::ProbeWitness;
use super::witness::Witness;

/// The witnesses, by the name of their route. Cheap to clone.
#[derive(Clone, Default)]
pub struct Witnesses(Arc<HashMap<Arc<str>, Known>>);

/// A witness and where it looks.
struct Known {
    source: Option<EvidenceSource>,
    witness: Arc<dyn Witness>,
}

impl Witnesses {
    /// Creates the witnesses of these routes. Probes are sent through `upstream`. No connection is made yet.
    ///
    /// # Errors
    /// The name of a route with settings that cannot be used, and the reason.
    pub fn of_routes(
        routes: &[Arc<Route>],
        upstream: &Upstream,
        keeper: &Keeper,
    ) -> Result<Self, (Arc<str>, String)> {
        let mut witnesses = HashMap::new();
        for route in routes {
            let name = || Arc::clone(&route.name);
            let witness: Arc<dyn Witness> = match &route.settling {
                Settling::Hold | Settling::Retry(_) => continue,
                Settling::Probe(probe) => {
                    let (probe, largest) = (Arc::clone(probe), route.max_response_body);
                    Arc::new(ProbeWitness::new(probe, upstream.clone(), keeper.clone(), largest))
                }
                Settling::Marker(marker) => {
                    super::marker::witness(marker, route).map_err(|why| (name(), why))?
                }
            };
            witnesses.insert(name(), Known { source: route.evidence, witness });
        }
        Ok(Self(Arc::new(witnesses)))
    }

    /// Creates the witnesses of a test.
    #[cfg(test)]
    pub(super) fn only(route: &str, witness: impl Witness + 'static) -> Self {
        let known = Known { source: None, witness: Arc::new(witness) };
        Self(Arc::new(HashMap::from([(Arc::from(route), known)])))
    }

    /// Returns the witness of a record: that of the route with its name, if it looks where the evidence about
    /// the record is. The name may have been given to another route since.
    pub(super) fn of(&self, record: &Record) -> Option<Arc<dyn Witness>> {
        let Known { source, witness } = self.0.get(&record.route)?;
        let knows =
            witness.serves(record.policy.on_unknown) && Keeper::has_source(record.kept.as_deref(), *source);
        knows.then(|| Arc::clone(witness))
    }
}
