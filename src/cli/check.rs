//! `oncegate check --config FILE`: says whether a configuration is valid, what it promises at every boundary,
//! what the settings of each route imply, and which settings look wrong.
//!
//! [`report`] is pure text. It promises nothing that the gateway does not keep under this configuration.

use std::io::{self, Write};
use std::path::{Path, PathBuf};

use clap::Args;

pub use self::exit_code::{BAD_CONFIGURATION, DANGEROUS, FINE, NO_ANSWER, NOT_PROVEN};
use self::marker::MarkerArgs;
use super::page::Page;
use crate::config::units::{Size, Span};
use crate::config::{Config, Cors, Environment, Fallback, ListenerTls, Origins, Server, Upstream};

pub mod against;
mod boundaries;
mod exit_code;
mod key;
mod losses;
pub mod marker;
mod memory;
mod outcomes;
pub mod problems;
mod route;
mod same_request;
mod settling;

/// Says whether a configuration is valid, what it promises, and what looks wrong; runs nothing.
///
/// Exits with 0 if the file is valid, with or without warnings, and with 2 if it is not; with --connect,
/// exits with 1 if the store or an upstream does not answer.
#[derive(Debug, Args)]
#[command(
    after_help = "Exits with 0 if the file is valid, with or without warnings, and with 2 if it is not; with \
                        --connect, exits with 1 if the store or an upstream does not answer; with --against, \
                        exits with 1 if a change is dangerous for keys in flight. A store that \
                        a running gateway has open counts as one that answers. With --probe-marker, exits \
                        with 0 only if the upstream reports the conflict with the fence."
)]
pub struct CheckArgs {
    /// The configuration file
    #[arg(long, value_name = "FILE", required_unless_present_any = ["print_schema", "print_marker_schema"])]
    pub config: Option<PathBuf>,
    /// Print only errors and warnings, one in each line
    #[arg(long, conflicts_with = "print_schema")]
    pub short: bool,
    /// Also check whether the store and each upstream answer, as a start would, without changing anything
    /// there
    #[arg(long, conflicts_with = "print_schema")]
    pub connect: bool,
    /// Print only the problems that clients of each route may get: status, advice and an example of the body
    #[arg(long, conflicts_with_all = ["print_schema", "short", "connect"])]
    pub problems: bool,
    /// Print only what the changes from the file OLD to that of --config do to keys in flight, the dangerous
    /// ones first (with --short: only these)
    #[arg(long, value_name = "OLD", requires = "config", conflicts_with_all = ["print_schema", "connect", "problems"])]
    pub against: Option<PathBuf>,
    /// Print only the SQL that makes the tables of a Postgres store, for operators who apply it by hand; with
    /// --config, for the schema that the file names
    #[arg(long)]
    pub print_schema: bool,
    /// The arguments about marker tables.
    #[command(flatten)]
    pub marker: MarkerArgs,
}

/// Checks a file. The report goes to `out`, or only the warnings if `short`; mistakes go to `err`. Returns
/// the configuration if there are no mistakes.
///
/// # Errors
/// [`io::Error`] if `out` cannot be written.
pub fn run(
    file: &Path,
    environment: &Environment,
    short: bool,
    out: &mut dyn Write,
    err: &mut dyn Write,
) -> io::Result<Option<Config>> {
    let config = match Config::load(file, environment) {
        Ok(config) => config,
        Err(errors) => {
            // The exit code reports the failure, too.
            drop(writeln!(err, "{errors}"));
            return Ok(None);
        }
    };
    let warnings = config.warnings();
    match (short, warnings.is_empty()) {
        (false, _) => write!(out, "{} is valid.\n\n{}", file.display(), report(&config))?,
        (true, true) => writeln!(out, "{} is valid.", file.display())?,
        (true, false) => {
            for warning in warnings {
                writeln!(out, "{}: warning: {warning}", file.display())?;
            }
        }
    }
    Ok(Some(config))
}

/// Returns the statements that make the tables of the store that a file names.
///
/// # Errors
/// The file is not valid, or its store has no tables.
pub fn tables(file: &Path, environment: &Environment) -> Result<String, String> {
    let settings = Config::load(file, environment).map_err(|errors| errors.to_string())?.store.settings;
    settings.tables().ok_or_else(|| {
        let store = settings.description();
        format!("{}: its store is {store}, which has no schema", file.display())
    })
}

/// Describes what a configuration promises and implies, as text of at most 96 columns (long names may exceed
/// them).
#[must_use]
pub fn report(config: &Config) -> String {
    let mut page = Page::default();
    setup(&mut page, config);
    boundaries::write(&mut page, config);
    losses::write(&mut page, config);
    for route in &config.routes {
        route::write(&mut page, config, route);
    }
    memory::write(&mut page, config);
    warnings(&mut page, config);
    page.into_text()
}

fn public(server: &Server) -> String {
    let protocols = if server.http2 { "HTTP/1.1 and HTTP/2" } else { "HTTP/1.1" };
    format!("{}, {protocols}{}", server.listen, tls(server.tls.as_ref()))
}

/// Describes the TLS of a listener, and the certificate that clients need.
fn tls(tls: Option<&ListenerTls>) -> &'static str {
    match tls {
        None => "",
        Some(ListenerTls { client_ca: None, .. }) => " over TLS",
        Some(_) => " over TLS, to clients with a certificate that client_ca vouches for",
    }
}

fn setup(page: &mut Page, config: &Config) {
    page.heading("Setup");
    page.row("listens on", &public(&config.server));
    page.row("admin", &admin(config));
    if let Some(notify) = &config.admin.notify {
        let text = "is told of each new unknown outcome, by a POST signed as Standard Webhooks says";
        page.row("webhook", &format!("{} {text}", notify.url));
    }
    page.row("store", &config.store.settings.description());
    settling::seals(page, &config.store.seal);
    for (name, upstream) in config.upstreams.iter().filter(|(name, _)| !name.is_of_probe()) {
        let text = format!(
            "{name} at {}{}, {} to connect, {} to answer; a head of {} at most; idle connections are kept {}",
            upstream.url,
            if upstream.http2 { " over HTTP/2" } else { "" },
            Span(upstream.connect_timeout),
            Span(upstream.response_timeout),
            Size(upstream.response_head_limit as u64),
            Span(upstream.idle_timeout),
        );
        page.row("upstream", &format!("{text}. {}", host(upstream)));
    }
    page.row("no route matches", &no_route(config));
    if let Some(cors) = &config.server.cors {
        page.row("pages", &pages(cors));
    }
    if config.lookup.enabled {
        page.row("lookups", LOOKUPS);
    }
}

/// Describes which pages of other origins may read answers.
fn pages(cors: &Cors) -> String {
    let (origins, credentials) = match &cors.origins {
        Origins::Any => ("every origin".to_owned(), "without credentials"),
        Origins::Listed(listed) if cors.credentials => (listed.join(", "), "with credentials"),
        Origins::Listed(listed) => (listed.join(", "), "without credentials"),
    };
    format!(
        "pages of {origins} may send requests on routes and read the answers, {credentials}. Preflights for the paths \
         of routes are answered here, and a browser remembers that for {}. Which caller a page acts for is the \
         business of the scope.",
        Span(cors.max_age)
    )
}

/// The answer to clients that ask what became of a key.
const LOOKUPS: &str = "GET /.well-known/idempotency/record says what became of a key, without the response, to the \
                       caller whose key it is; the key of another caller and one never used are both absent. \
                       GET /.well-known/idempotency publishes path, methods, key, lifetime and problems of each \
                       route. The paths lead to no route and to no upstream.";

/// Describes which `Host` an upstream receives, and the effect on the addresses that the upstream writes.
fn host(upstream: &Upstream) -> String {
    let told = if upstream.preserve_host {
        "It is told the client's Host; where it tells hosts apart, \"host\" belongs into the routes' scope."
    } else {
        "It is told its own host: if it writes absolute URLs into bodies, set preserve_host = true, and if it then \
         tells hosts apart, add \"host\" to the routes' scope."
    };
    let location = match (upstream.rewrite_location, upstream.preserve_host) {
        (true, _) => " Location and Content-Location that name it name what the client asked.",
        (false, false) => " Location goes on as it is: a client that follows one leaves this gateway.",
        (false, true) => "",
    };
    format!("{told}{location}")
}

fn no_route(config: &Config) -> String {
    let Some(Fallback { upstream, refuses_keyed }) = &config.fallback else {
        return "404 no-route".into();
    };
    let keyed = match refuses_keyed {
        true => "with a key 404 no-route",
        false => "with a key its answer is marked Idempotency-Protected: false",
    };
    let beside = config.routes.iter().filter(|route| route.upstream == *upstream);
    let beside: Vec<&str> = beside.map(|route| &*route.name).collect();
    let same = match beside.as_slice() {
        [] => String::new(),
        routes => format!(
            ". Another path or method than those of {} reaches the same API unprotected",
            routes.join(", ")
        ),
    };
    format!("streams to {upstream}, unprotected and of any size; {keyed}{same}")
}

fn admin(config: &Config) -> String {
    let tokens: Vec<String> =
        config.admin.tokens.iter().map(|token| format!("{} ({})", token.name, token.role)).collect();
    let records = match (tokens.is_empty(), config.admin.listen.ip().is_loopback()) {
        (false, _) => format!("records with a bearer token: {}", tokens.join(", ")),
        (true, true) => "records for all users of this machine, no token".into(),
        (true, false) => "records are off: not loopback, no token".into(),
    };
    format!("{}{}; {records}", config.admin.listen, tls(config.admin.tls.as_ref()))
}

fn warnings(page: &mut Page, config: &Config) {
    let warnings = config.warnings();
    if warnings.is_empty() {
        page.heading("No warnings.");
        return;
    }
    page.heading(&format!("Warnings ({})", warnings.len()));
    for warning in warnings {
        page.hanging("  ! ", &warning.to_string());
    }
}
