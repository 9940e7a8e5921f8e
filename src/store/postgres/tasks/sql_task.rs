//! The tasks that run in one statement of Postgres, with others of their kind.

use std::future::Future;

use crate::store::postgres::batch::{Batch, Task};
use crate::store::postgres::failure::Failure;
use crate::store::postgres::session::Session;
use crate::store::postgres::statements::Statements;

/// A task about one record that runs in one statement with others of its kind.
pub trait SqlTask: Task {
    /// Runs all of `batch` in one statement and answers the tasks it can.
    ///
    /// # Errors
    /// The failure of the tasks that are not answered yet.
    fn run(
        batch: &mut Batch<Self>,
        session: &mut Session,
        statements: &Statements,
    ) -> impl Future<Output = Result<(), Failure>> + Send;
}
