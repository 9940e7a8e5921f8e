//! `oncegate records reconcile`: compares a gateway's records with the upstream's ledger, and decides the
//! unknown outcomes that the ledger decides.
//!
//! The ledger is read once and sorted by record id, outside of memory. The gateway lists its records in the
//! same order, so one walk through both finds everything. Memory does not grow with either of them. Decisions
//! wait in a temporary file until the walk is over. A ledger with a line that is wrong decides nothing.
//!
//! A line proves an execution. The absence of a line proves something only for the routes and the time that
//! the operator names, and only if the ledger has no gaps: a ledger that lacks an operation which the gateway
//! knows as executed may lack others, too.

use std::io::Write;
use std::process::ExitCode;
use std::sync::Arc;

use super::arguments::Reconcile;
use super::client::Client;
use crate::cli::output::{Output, print_error};

mod apply;
mod asking;
mod closing;
mod csv_lines;
mod csv_values;
mod decisions;
mod difference;
mod facts;
mod failure;
mod gaps;
mod join;
mod json_lines;
mod judge;
mod keys;
mod known;
mod ledger;
mod line;
mod progress;
mod raw_lines;
mod report;
mod run;
mod sorter;
mod source;

use failure::Failure;

/// Runs the command, prints its report and tells its failure.
pub(super) async fn run(client: Client, args: &Reconcile, json: bool) -> ExitCode {
    let mut output = Output::new();
    let ended = run::reconcile(&Arc::new(client), args, json, &mut output).await;
    let flushed = output.flush().map_err(Failure::from);
    match ended.and_then(|is_fine| flushed.map(|()| is_fine)) {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::FAILURE,
        Err(Failure::Ledger(why)) => wrong(&format!("{}: {why}", args.ledger.display())),
        Err(Failure::Usage(why)) => wrong(&why),
        Err(Failure::Failed(why)) => {
            print_error(format_args!("oncegate: {why}"));
            ExitCode::FAILURE
        }
    }
}

fn wrong(why: &str) -> ExitCode {
    print_error(format_args!("oncegate: {why}"));
    ExitCode::from(2)
}
