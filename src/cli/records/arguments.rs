//! The command line of `oncegate records`.

use std::path::PathBuf;

use clap::builder::NonEmptyStringValueParser as Filled;
use clap::{Args, Subcommand, ValueEnum};
use http::Uri;

mod lookup;
mod reconcile;
mod resolve;

pub(super) use lookup::Lookup;
pub(super) use reconcile::Reconcile;
pub(super) use resolve::{Many, Reopen, Resolve, Response, YesNo};

/// Environment variable with the admin token.
pub const TOKEN_VARIABLE: &str = "ONCEGATE_ADMIN_TOKEN";

/// Heading of the options that say how the gateway is reached.
const CONNECTION: &str = "Connection to the gateway";

/// Show records, and decide the outcome of an operation that the gateway cannot know.
#[derive(Clone, Debug, Args)]
pub struct RecordsArgs {
    /// The admin listener of a running gateway. If it asks for a bearer token, that token is taken from
    /// ONCEGATE_ADMIN_TOKEN.
    #[arg(
        long,
        env = "ONCEGATE_ADMIN_URL",
        default_value = "http://127.0.0.1:9464",
        value_name = "URL",
        value_parser = parse_admin,
        help_heading = CONNECTION,
        global = true
    )]
    pub(super) admin: Uri,
    /// With https://, a file of PEM certificates to trust instead of the usual roots.
    #[arg(long, env = "ONCEGATE_ADMIN_CA", value_name = "FILE", help_heading = CONNECTION, global = true)]
    pub(super) ca: Option<PathBuf>,
    /// With https://, a PEM file of the certificate to present to a listener that asks for one.
    #[arg(long, value_name = "FILE", requires = "key_file", help_heading = CONNECTION, global = true)]
    pub(super) cert: Option<PathBuf>,
    /// The PEM file of the certificate's private key.
    #[arg(
        long = "cert-key",
        id = "key_file",
        value_name = "FILE",
        requires = "cert",
        help_heading = CONNECTION,
        global = true
    )]
    pub(super) cert_key: Option<PathBuf>,
    /// Print one JSON document, as the admin API gives it, instead of text for people.
    #[arg(long, global = true)]
    pub(super) json: bool,
    #[command(subcommand)]
    pub(super) command: Command,
}

#[derive(Clone, Debug, Subcommand)]
pub(super) enum Command {
    /// List records: which outcomes are unknown, which of them the longest, and why.
    List(List),
    /// Show one record.
    Show(Show),
    /// Find the record of a key.
    Lookup(Lookup),
    /// Decide an unknown outcome, or all that fit.
    Resolve(Box<Resolve>),
    /// Take a decision back, while nothing has happened after it: the outcome is unknown again.
    Reopen(Reopen),
    /// Delete a stored response before its ttl ends; the key stays used.
    Delete(Delete),
    /// Compare the records with an export of the upstream's ledger: find doubles and contradictions, and
    /// decide unknown outcomes.
    Reconcile(Box<Reconcile>),
}

#[derive(Clone, Debug, Args)]
#[command(after_long_help = "\
N is the number of the execution, STATUS that of the stored response, and UPDATED the time of the last change:
for an unknown outcome, the time at which it became unknown, or was reopened. The states:
  running    an execution is under way
  completed  executed; retries get the stored response
  unknown    sent, and it is not known whether it was executed: to be decided
  settled    decided as executed; the response is not known
  cleared    not executed: the next attempt runs
  expired    the response is no longer kept; the key stays used

  oncegate records list --order oldest                        # what is stuck, the longest first
  oncegate records list --label o-1001                        # the record of an order")]
pub(super) struct List {
    /// Only records in this state: running, completed, unknown, settled, cleared or expired.
    #[arg(long, value_parser = Filled::new())]
    pub(super) state: Option<String>,
    /// Only records of this route.
    #[arg(long, value_parser = Filled::new())]
    pub(super) route: Option<String>,
    /// Only unknown outcomes with this reason: "response timeout", "connection lost", "broken answer",
    /// "lease over", "gateway shut down", "upstream unreachable", or a status such as "status 503". The
    /// label in oncegate_unknown_total, such as status-503, means the same.
    #[arg(long, value_parser = Filled::new())]
    pub(super) reason: Option<String>,
    /// Only records with exactly this value of a label, such as an order number. A route chooses its labels
    /// with `label = [...]`.
    #[arg(long, value_name = "VALUE", value_parser = Filled::new())]
    pub(super) label: Option<String>,
    /// Only records whose last change is this long ago, such as 90s, 1h or 2d.
    #[arg(long, value_name = "TIME", value_parser = Filled::new())]
    pub(super) older_than: Option<String>,
    /// The order of the list. The default is `id`.
    #[arg(long)]
    pub(super) order: Option<Order>,
    /// The largest number of records to list.
    #[arg(long, default_value_t = 100, value_parser = clap::value_parser!(u16).range(1..=1000))]
    pub(super) limit: u16,
    /// The cursor that the previous list ended with, to go on from there. Repeat the other options.
    #[arg(long)]
    pub(super) cursor: Option<String>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(super) enum Order {
    /// By id.
    Id,
    /// Unknown outcomes only, the oldest first.
    Oldest,
}

impl Order {
    /// Returns the value of the parameter `order`.
    pub(super) fn parameter(self) -> &'static str {
        match self {
            Self::Id => "id",
            Self::Oldest => "oldest",
        }
    }
}

#[derive(Clone, Debug, Args)]
pub(super) struct Show {
    /// The record's id, or its first digits, at least 6, if no other record's id begins with them. On Redis
    /// a shortened id takes longer, because the store scans a part of its records.
    #[arg(value_parser = Filled::new())]
    pub(super) id: String,
    /// Also show the stored response, body included.
    #[arg(long)]
    pub(super) response: bool,
}

#[derive(Clone, Debug, Args)]
pub(super) struct Delete {
    /// The record's id, or its first digits, at least 6, if no other record's id begins with them. On Redis
    /// a shortened id takes longer, because the store scans a part of its records.
    #[arg(value_parser = Filled::new())]
    pub(super) id: String,
}

fn parse_admin(text: &str) -> Result<Uri, String> {
    let uri: Uri = text.parse().map_err(|error| format!("{error}"))?;
    let known = matches!(uri.scheme_str(), Some("http" | "https"));
    let bare = matches!(uri.path(), "" | "/") && uri.query().is_none();
    if known && bare { Ok(uri) } else { Err("expected http://HOST:PORT or https://HOST:PORT".into()) }
}
