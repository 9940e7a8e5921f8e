//! `on_unknown = "marker"`: the upstream's own transaction writes a row with the name of the execution, and
//! the gateway reads or fences that row.

#[cfg(feature = "postgres")]
mod connections;
#[cfg(feature = "postgres")]
mod response;
mod schema;
#[cfg(feature = "postgres")]
mod table;

pub use schema::{DEFAULT_TABLE, schema_sql};
#[cfg(feature = "postgres")]
pub use table::{MarkerTable, Row, TableError};
