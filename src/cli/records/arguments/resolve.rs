//! The command lines of `oncegate records resolve` and `oncegate records reopen`.

use std::path::PathBuf;

use clap::builder::NonEmptyStringValueParser as Filled;
use clap::{ArgGroup, Args, ValueEnum};
use http::{HeaderName, HeaderValue};

use crate::cli::header::parse_header;

/// The options that select records. One of them, or an id, is needed.
const FILTERS: [&str; 5] = ["route", "reason", "label", "older_than", "state"];

#[derive(Clone, Debug, Args)]
#[command(group = ArgGroup::new("selection").arg("id").args(FILTERS).required(true).multiple(true))]
#[command(after_long_help = "\
Without an id, the command decides all unknown outcomes that fit --route, --reason, --label and --older-than.
It lists them, the oldest first, and asks before it sends anything. Each decision holds for the listed
execution alone: an operation that ran again meanwhile is refused and named. Ends with 1 if any was refused.

  oncegate records resolve 1729ab --executed yes --note 'ch_17 is in the ledger' --status 201 --body-file r.json
  oncegate records resolve --route pay --reason 'status 503' --older-than 1h --executed no --note 'INC-7'")]
pub(in crate::cli::records) struct Resolve {
    /// The record's id, or its first digits, at least 6, if no other record's id begins with them. On Redis
    /// a shortened id takes longer, because the store scans a part of its records.
    #[arg(conflicts_with_all = FILTERS, value_parser = Filled::new())]
    pub(in crate::cli::records) id: Option<String>,
    /// The decision whether the upstream executed the operation.
    #[arg(long)]
    pub(in crate::cli::records) executed: YesNo,
    /// The reason for your decision; it is kept in the record and in the audit log.
    #[arg(long)]
    pub(in crate::cli::records) note: String,
    /// Let the next attempt run although the call of this one could still be under way. The operation can
    /// then happen twice.
    #[arg(long, conflicts_with_all = FILTERS)]
    pub(in crate::cli::records) force: bool,
    #[command(flatten)]
    pub(in crate::cli::records) many: Many,
    #[command(flatten)]
    pub(in crate::cli::records) response: Response,
}

/// The selection of many records.
#[derive(Clone, Debug, Args)]
pub(in crate::cli::records) struct Many {
    /// Without an id: all unknown outcomes of this route.
    #[arg(long, value_parser = Filled::new())]
    pub(in crate::cli::records) route: Option<String>,
    /// Without an id: all unknown outcomes with this reason, such as "status 503" or "lease over".
    #[arg(long, value_parser = Filled::new())]
    pub(in crate::cli::records) reason: Option<String>,
    /// Without an id: all unknown outcomes with this value of a label.
    #[arg(long, value_name = "VALUE", value_parser = Filled::new())]
    pub(in crate::cli::records) label: Option<String>,
    /// Without an id: all outcomes that have been unknown for this long, such as 90s, 1h or 2d.
    #[arg(long, value_name = "TIME", value_parser = Filled::new())]
    pub(in crate::cli::records) older_than: Option<String>,
    /// Without an id: all unknown outcomes. Other states cannot be resolved.
    #[arg(long)]
    state: Option<ResolvableState>,
    /// The largest number of records to decide; the oldest come first.
    #[arg(long, default_value_t = 10_000, value_parser = clap::value_parser!(u16).range(1..=10_000), conflicts_with = "id")]
    pub(in crate::cli::records) limit: u16,
    /// Decide without asking, for scripts.
    #[arg(long, conflicts_with = "id")]
    pub(in crate::cli::records) yes: bool,
}

/// The response that later attempts get. Without a status there is none.
#[derive(Clone, Debug, Args)]
pub(in crate::cli::records) struct Response {
    /// The status of the response that later attempts get.
    #[arg(long, conflicts_with_all = FILTERS)]
    pub(in crate::cli::records) status: Option<u16>,
    /// A file with the body of the response.
    #[arg(long, value_name = "FILE", requires = "status")]
    pub(in crate::cli::records) body_file: Option<PathBuf>,
    /// A header of the response.
    #[arg(long = "header", value_name = "NAME: VALUE", value_parser = parse_header, requires = "status")]
    pub(in crate::cli::records) headers: Vec<(HeaderName, HeaderValue)>,
}

#[derive(Clone, Debug, Args)]
pub(in crate::cli::records) struct Reopen {
    /// The record's id, or its first digits, at least 6, if no other record's id begins with them. On Redis
    /// a shortened id takes longer, because the store scans a part of its records.
    #[arg(value_parser = Filled::new())]
    pub(in crate::cli::records) id: String,
    /// The reason why the decision is taken back; it is kept in the record and in the audit log.
    #[arg(long)]
    pub(in crate::cli::records) note: String,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(in crate::cli::records) enum YesNo {
    Yes,
    No,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum ResolvableState {
    Unknown,
}
