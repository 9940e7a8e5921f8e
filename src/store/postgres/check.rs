//! A check whether records could be kept here. It does what a start does but writes nothing, while a start
//! also creates the tables.

use sqlx::{Row, query};

use crate::store::{Document, DocumentName, Terms};

use super::failure::Failure;
use super::row::Moment;
use super::session::Session;
use super::settings::Settings;
use super::setup::Setup;
use super::statements::Statements;
use super::{OpenError, PostgresStore, schema};

impl PostgresStore {
    /// Examines the primary and its tables. Returns the document that says how operations are named there
    /// (`None` if a start has to create tables first), and sentences that say what a crash of the server
    /// would lose.
    ///
    /// # Errors
    /// No server is a primary that answers, or the tables need a newer gateway.
    pub async fn check(
        settings: Settings,
        terms: Terms,
    ) -> Result<(Option<Document>, Vec<String>), OpenError> {
        let setup = Setup { settings, terms };
        let mut session = Session::open(&setup).await?;
        let schema = &setup.settings.schema;
        let names = match schema::check(&mut session, schema).await? {
            true => Some(names(&mut session, schema).await?),
            false => None,
        };
        Ok((names, session.risks().await?))
    }
}

async fn names(session: &mut Session, schema: &str) -> Result<Document, Failure> {
    let rows = session.ask(query(Statements::new(schema).of(DocumentName::Names).read.clone())).await?;
    let row = rows.first().ok_or_else(|| Failure::Down("it does not report the time".into()))?;
    let bytes: Option<Vec<u8>> = row.try_get("encoded")?;
    Ok(Document { bytes: bytes.map(Into::into), now: row.try_get::<Moment, _>("now")?.0 })
}
