//! `on_unknown = "marker"`: the upstream's own transaction writes a row with the name of the execution, and
//! the gateway reads or fences that row.

use std::sync::Arc;

use crate::config::{Marker, Route};

use super::witness::Witness;

#[cfg(feature = "postgres")]
mod connections;
#[cfg(feature = "postgres")]
mod response;
mod schema;
#[cfg(feature = "postgres")]
mod table;
#[cfg(feature = "postgres")]
mod witness;

pub use schema::{DEFAULT_TABLE, schema_sql};
#[cfg(feature = "postgres")]
pub use table::{MarkerTable, Row, TableError};

/// Creates the witness of a route's marker table. It does not connect yet.
///
/// # Errors
/// The reason why the settings cannot be used.
#[cfg(feature = "postgres")]
pub(super) fn witness(marker: &Marker, route: &Arc<Route>) -> Result<Arc<dyn Witness>, String> {
    Ok(Arc::new(witness::MarkerWitness::new(marker, Arc::clone(route))?))
}

/// Refuses: this build has no driver for the table.
///
/// # Errors
/// Always.
#[cfg(not(feature = "postgres"))]
pub(super) fn witness(_: &Marker, _: &Arc<Route>) -> Result<Arc<dyn Witness>, String> {
    Err("needs a build with the feature postgres".into())
}
