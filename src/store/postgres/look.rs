//! A check whether records could be kept here. It does what a start does but writes nothing, while a start
//! also creates the tables.

use sqlx::{Row, query};

use crate::store::{Document, Sheet};

use super::failure::Failure;
use super::row::Moment;
use super::session::Session;
use super::settings::PostgresSettings;
use super::statements::Statements;
use super::{OpenError, PostgresStore, schema};

impl PostgresStore {
    /// Examines the primary and its tables. Returns the document that says how operations are named there
    /// (`None` if a start has to create tables first), and sentences that say what a crash of the server
    /// would lose.
    ///
    /// # Errors
    /// No server is a primary that answers, or the tables need a newer gateway.
    pub async fn look(settings: &PostgresSettings) -> Result<(Option<Document>, Vec<String>), OpenError> {
        let mut session = Session::open(settings).await?;
        let names = match schema::look(&mut session, &settings.schema).await? {
            true => Some(names(&mut session, settings).await?),
            false => None,
        };
        Ok((names, session.risks().await?))
    }
}

async fn names(session: &mut Session, settings: &PostgresSettings) -> Result<Document, Failure> {
    let rows = session.ask(query(Statements::new(&settings.schema).of(Sheet::Names).read.clone())).await?;
    let row = rows.first().ok_or_else(|| Failure::Down("it does not report the time".into()))?;
    let bytes: Option<Vec<u8>> = row.try_get("encoded")?;
    Ok(Document { bytes: bytes.map(Into::into), now: row.try_get::<Moment, _>("now")?.0 })
}
