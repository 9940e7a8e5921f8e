//! Looking whether records could be kept here, as a start does, but writing nothing: a start also makes the
//! tables.

use super::session::Session;
use super::settings::PostgresSettings;
use super::{OpenError, PostgresStore, schema};

impl PostgresStore {
    /// Looks at the primary and its tables. Returns whether the tables are there, and what a crash of the
    /// server would lose, as sentences.
    ///
    /// # Errors
    /// No server is a primary that answers, or the tables need a newer gateway.
    pub async fn look(settings: &PostgresSettings) -> Result<(bool, Vec<String>), OpenError> {
        let mut session = Session::open(settings).await?;
        let there = schema::look(&mut session, &settings.schema).await?;
        Ok((there, session.risks().await?))
    }
}
