//! The command line of `oncegate records reconcile`.

use std::path::PathBuf;
use std::time::Duration;

use clap::Args;

use crate::clock::Timestamp;
use crate::config::units::parse_span;

/// Longest note of the operator, in characters. The note in the audit line also names the file and the line.
const MAX_NOTE: usize = 500;

#[derive(Clone, Debug, Args)]
#[command(after_long_help = "\
The ledger is CSV with a header line, or JSON Lines. Each line is one payment, and names its operation:
  execution     the Idempotency-Execution that the upstream was sent, such as 1729…2bce:1
  key           or the idempotency key, with one --route; headers of the caller's scope, such as
                authorization, are columns of their names, and so are path and certificate where the
                scope has them
  status, body, content_type
                optional: the response that clients get where the ledger decides an unknown outcome
Other columns are ignored.

Differences, one a line:
  double         several lines of one operation: it was paid more than once
  contradiction  the ledger has an operation that is not executed here, or a later execution of it
  expired        in the ledger, and undecided or declared not executed when its ttl ended here
  error-stored   the ledger has an operation that clients were answered with an error
  missing        executed here, and absent in the ledger (with --from and --to)
  executed       unknown here, and in the ledger
  not-executed   unknown here, and absent in the ledger (with --from and --to)

Gaps are missing operations, lines without an execution and a key, lines by key that no record of the route
has, a ledger without a line of any record, and a marker that shows a payment which the ledger lacks.

Exit code: 0 fine; 1 a double, a contradiction or an expired outcome was found, a decision was refused or
held back, there was no record to compare, or the work could not be finished; 2 wrong usage, or a ledger that
cannot be read.")]
pub(in crate::cli::records) struct Reconcile {
    /// The export of the upstream's ledger.
    #[arg(long, value_name = "FILE")]
    pub(in crate::cli::records) ledger: PathBuf,
    /// Only records of this route. May be given more than once if the ledger has the payments of several
    /// routes.
    #[arg(long = "route", value_name = "ROUTE")]
    pub(in crate::cli::records) routes: Vec<String>,
    /// The ledger has all payments of these routes from this time on, such as 2026-11-01 or
    /// 2026-11-01T06:30:00Z. With --to, a payment that it lacks was not made.
    #[arg(long, value_name = "TIME", value_parser = parse_time, requires_all = ["to", "routes"])]
    pub(in crate::cli::records) from: Option<Timestamp>,
    /// The ledger has all payments of these routes before this time.
    #[arg(long, value_name = "TIME", value_parser = parse_time, requires = "from")]
    pub(in crate::cli::records) to: Option<Timestamp>,
    /// Time that a payment takes to appear in the ledger. The absence of a line says nothing about a call that
    /// can still be under way this long before --to, or about an outcome that was known later than that.
    #[arg(long, value_name = "TIME", value_parser = parse_span, default_value = "1h")]
    pub(in crate::cli::records) settle_lag: Duration,
    /// Decide the unknown outcomes that the ledger decides. Without this, nothing is changed.
    #[arg(long)]
    pub(in crate::cli::records) apply: bool,
    /// Words for the note of each decision, beside the file and the line.
    #[arg(long, value_name = "TEXT", value_parser = parse_note)]
    pub(in crate::cli::records) note: Option<String>,
    /// With --apply, take the absence of a line as "not executed" even if the ledger has gaps. The report
    /// names them.
    #[arg(long, requires_all = ["apply", "from"])]
    pub(in crate::cli::records) despite_gaps: bool,
    /// The directory for temporary files: some 50 bytes for each line of the ledger, and the decisions.
    #[arg(long, value_name = "DIR", default_value_os_t = std::env::temp_dir())]
    pub(in crate::cli::records) temp_dir: PathBuf,
}

/// Parses a time: a date, which is its beginning in UTC, or a date and time of RFC 3339 in UTC.
fn parse_time(text: &str) -> Result<Timestamp, String> {
    let whole = if text.len() == "2026-11-01".len() { format!("{text}T00:00:00Z") } else { text.to_owned() };
    Timestamp::parse_rfc3339(&whole)
        .ok_or_else(|| "expected a date, or a time in UTC, such as 2026-11-01 or 2026-11-01T06:30:00Z".into())
}

fn parse_note(text: &str) -> Result<String, String> {
    match text.chars().count() <= MAX_NOTE {
        true => Ok(text.to_owned()),
        false => Err(format!("a note has at most {MAX_NOTE} characters")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_time_is_a_date_or_has_its_zone() {
        let midnight = Timestamp(1_700_006_400_000);
        assert_eq!(parse_time("2023-11-15"), Ok(midnight));
        assert_eq!(parse_time("2023-11-15T00:00:00Z"), Ok(midnight));
        assert_eq!(parse_time("2023-11-15T00:00:00.250Z"), Ok(midnight.plus(Duration::from_millis(250))));
        for text in
            ["", "now", "2023-11-31", "2023-11-15T00:00:00", "2023-11-15T01:00:00+01:00", "1700006400"]
        {
            assert!(parse_time(text).is_err(), "{text}");
        }
    }
}
