//! The place of the database in a build without the driver of Postgres.

use crate::cli::demo::error::DemoError;
use crate::cli::demo::ledger::{Charge, Total};

use super::failure::Failure;

/// The database of a build without the driver of Postgres: there is none.
pub(in crate::cli::demo) enum Database {}

impl Database {
    pub(in crate::cli::demo) fn new_id(&self) -> String {
        match *self {}
    }

    pub(in crate::cli::demo) async fn book(&self, _: &Charge) -> Result<(), Failure> {
        match *self {}
    }

    pub(in crate::cli::demo) async fn total(&self, _: &str) -> Result<Total, DemoError> {
        match *self {}
    }
}
