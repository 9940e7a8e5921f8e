//! The parameters of a statement about many records: an array for each column.

use sqlx::encode::Encode;
use sqlx::postgres::types::PgHasArrayType;
use sqlx::postgres::{PgArguments, PgBindIterExt, PgRow};
use sqlx::{Arguments, Postgres, SqlStr, Type, query_with};

use crate::store::postgres::failure::Failure;
use crate::store::postgres::session::Session;

/// Bytes that the parameters of any statement need at most, beside those of its rows.
const HEADS: usize = 512;
/// Bytes of a row at most, without its encoded record and response, and with names of usual length.
const ROW: usize = 256;

/// The parameters of one statement. The values are written at once in the form in which they are sent.
pub(super) struct Parameters(PgArguments);

impl Parameters {
    /// Creates the parameters for this number of rows, with `bytes` for their records and responses.
    pub(super) fn new(rows: usize, bytes: usize) -> Self {
        let mut arguments = PgArguments::default();
        arguments.reserve(16, HEADS + rows * ROW + bytes);
        Self(arguments)
    }

    /// Adds an array with a value for each row.
    ///
    /// # Errors
    /// A value cannot be sent.
    pub(super) fn column<'q, I>(&mut self, values: I) -> Result<(), Failure>
    where
        I: Iterator,
        I::Item: Encode<'q, Postgres> + Type<Postgres> + PgHasArrayType,
    {
        Ok(self.0.add(values.bind_iter()).map_err(sqlx::Error::Encode)?)
    }

    /// Adds a single value.
    ///
    /// # Errors
    /// The value cannot be sent.
    pub(super) fn one<'q, T>(&mut self, value: T) -> Result<(), Failure>
    where
        T: Encode<'q, Postgres> + Type<Postgres>,
    {
        Ok(self.0.add(value).map_err(sqlx::Error::Encode)?)
    }

    /// Runs the statement with these parameters.
    ///
    /// # Errors
    /// The failure of the statement.
    pub(super) async fn ask(self, session: &mut Session, statement: &SqlStr) -> Result<Vec<PgRow>, Failure> {
        session.ask(query_with(statement.clone(), self.0)).await
    }
}
