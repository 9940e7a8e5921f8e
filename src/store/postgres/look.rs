//! Looking whether records could be kept here, as a start does, but writing nothing: a start also makes the
//! tables.

use super::session::Session;
use super::settings::PostgresSettings;
use super::{OpenError, PostgresStore, schema};

impl PostgresStore {
    /// Looks at the primary and its tables. Returns what a start would find there, as sentences.
    ///
    /// # Errors
    /// No server is a primary that answers, or the tables need a newer gateway.
    pub async fn look(settings: &PostgresSettings) -> Result<Vec<String>, OpenError> {
        let mut session = Session::open(settings).await?;
        let there = schema::look(&mut session, &settings.schema).await?;
        let missing =
            format!("there are no tables in the schema {} yet; a start makes them", settings.schema);
        Ok(if there { Vec::new() } else { vec![missing] })
    }
}
