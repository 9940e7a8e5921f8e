//! The parts of `oncegate check` about marker tables: the SQL that creates one, and the judgement whether an
//! upstream reports the conflict with a fence.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use clap::Args;
use http::{HeaderName, HeaderValue, Method};

use super::exit_code::{FINE, NOT_PROVEN};
use crate::cli::header::parse_header;
use crate::cli::page::{WIDTH, fill};
use crate::config::{Config, Environment, Route, Settling};
use crate::protocol::{Meaning, Outcomes};
use crate::settle::marker::{DEFAULT_TABLE, schema_sql};

/// The arguments about marker tables.
#[derive(Debug, Args)]
pub struct MarkerArgs {
    /// Print only the SQL that makes the marker table, for the upstream's database; with --config, for the
    /// tables that its routes name, or only that of --route
    #[arg(long, group = "about_markers", conflicts_with_all = ["print_schema", "short", "connect"])]
    pub print_marker_schema: bool,
    /// Fence a new execution of --route and send the upstream a request under it: a correct upstream reports
    /// the conflict. An upstream that swallows it executes the request, so this needs --yes
    #[arg(
        long,
        group = "about_markers",
        requires_all = ["config", "route"],
        conflicts_with_all = ["print_schema", "short", "connect", "print_marker_schema"]
    )]
    pub probe_marker: bool,
    /// A route with on_unknown = "marker"
    #[arg(long, value_name = "NAME", requires_all = ["about_markers", "config"])]
    pub route: Option<String>,
    /// Path and query of the request; the route's own path if it has no wildcard
    #[arg(long, requires = "probe_marker")]
    pub path: Option<String>,
    /// Method of the request
    #[arg(long, default_value = "POST", requires = "probe_marker")]
    pub method: Method,
    /// A header of the request, such as `Authorization: …`
    #[arg(long = "header", value_name = "NAME: VALUE", value_parser = parse_header, requires = "probe_marker")]
    pub headers: Vec<(HeaderName, HeaderValue)>,
    /// A file with the body of the request
    #[arg(long, value_name = "FILE", requires = "probe_marker")]
    pub body: Option<PathBuf>,
    /// Really send the request, although it may make a payment
    #[arg(long, requires = "probe_marker")]
    pub yes: bool,
}

/// Returns the statements that make the marker tables of the routes in a file, or only of `route`; without a
/// file, those of the default table.
///
/// # Errors
/// The file is not valid, or has no such route with a marker.
pub fn tables(file: Option<&Path>, route: Option<&str>, environment: &Environment) -> Result<String, String> {
    let Some(file) = file else { return Ok(schema_sql(DEFAULT_TABLE)) };
    let config = Config::load(file, environment).map_err(|errors| errors.to_string())?;
    let named = |checked: &&Route| route.is_none_or(|name| *checked.name == *name);
    let table = |route: &Route| match &route.settling {
        Settling::Marker(marker) => Some(marker.table.clone()),
        Settling::Hold | Settling::Retry(_) | Settling::Probe(_) => None,
    };
    let routes = config.routes.iter().map(|route| &**route);
    let tables: BTreeSet<String> = routes.filter(named).filter_map(table).collect();
    match (tables.is_empty(), route) {
        (true, Some(name)) => Err(format!("{}: no route {name:?} with a marker", file.display())),
        (true, None) => Err(format!("{}: no route with a marker", file.display())),
        (false, _) => Ok(tables.iter().map(|table| schema_sql(table)).collect::<Vec<_>>().join("\n")),
    }
}

/// The answer of an upstream to a request under a fenced execution.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ProbeAnswer {
    /// The status.
    pub status: u16,
    /// True if the answer has the header `Idempotency-Marker: conflict`.
    pub is_marked: bool,
}

/// The judgement about an upstream.
#[derive(Debug, PartialEq, Eq)]
pub struct Judgement {
    /// The exit code.
    pub code: u8,
    /// The judgement in words.
    pub text: String,
}

/// Judges the answer of the upstream of a route to a request under `execution`, which was fenced before in
/// `table`.
#[must_use]
pub fn judgement(answer: ProbeAnswer, outcomes: &Outcomes, table: &str, execution: &str) -> Judgement {
    let ProbeAnswer { status, is_marked } = answer;
    let advice = format!(
        "The upstream has to run INSERT INTO {table} (execution) VALUES ($1), without ON CONFLICT, in the transaction \
         of the payment. If that breaks the unique constraint (SQLSTATE 23505), it rolls back and answers 409 with \
         the header Idempotency-Marker: conflict."
    );
    let (code, text) = match (is_marked, outcomes.meaning(status)) {
        (true, _) => {
            (FINE, format!("The upstream reports the conflict: {status} with Idempotency-Marker: conflict."))
        }
        (false, Meaning::Unknown) => {
            let doubt = match Outcomes::DEFAULT_UNKNOWN.contains(&status) {
                true => {
                    " A proxy answers with this status as well. The header Idempotency-Marker: conflict is clear."
                }
                false => "",
            };
            (
                FINE,
                format!(
                    "The upstream reports the conflict: {status}, which the route lists as unknown.{doubt}"
                ),
            )
        }
        (false, _) if (200..300).contains(&status) => (
            NOT_PROVEN,
            format!(
                "CONFLICT SWALLOWED: the upstream answered {status} to an execution that was fenced before. A fence \
                 protects nothing here, and operations may run twice. This request may have made a payment: look for \
                 execution {execution}. {advice}"
            ),
        ),
        (false, _) => (
            NOT_PROVEN,
            format!(
                "NOT PROVEN: the upstream answered {status}, which says nothing about the marker. If the request lacks \
                 something, add it with --path, --method, --header or --body. If {status} is the report of a conflict, \
                 add the header Idempotency-Marker: conflict to it, or list it in outcomes.unknown. {advice}"
            ),
        ),
    };
    Judgement { code, text: fill("", &text, WIDTH) }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn judged(status: u16, is_marked: bool) -> (u8, String) {
        let outcomes =
            Outcomes::new(vec![403.into()], vec![418.into(), 503.into()]).expect("no status in both");
        let Judgement { code, text } = judgement(ProbeAnswer { status, is_marked }, &outcomes, "m", "ab:1");
        (code, text)
    }

    #[test]
    fn a_report_by_header_or_by_a_listed_status_is_fine() {
        for (status, is_marked) in [(409, true), (200, true), (503, true), (418, false), (503, false)] {
            assert_eq!(judged(status, is_marked).0, FINE, "{status}");
        }
        assert!(judged(503, false).1.contains("proxy") && !judged(418, false).1.contains("proxy"));
    }

    #[test]
    fn success_under_a_fenced_execution_swallowed_the_conflict() {
        for status in [200, 201, 204] {
            let (code, text) = judged(status, false);
            assert_eq!(code, 1);
            assert!(
                text.contains("SWALLOWED") && text.contains("ab:1") && text.contains("INTO m "),
                "{text}"
            );
        }
    }

    #[test]
    fn any_other_answer_proves_nothing() {
        for status in [302, 400, 403, 409, 500] {
            let (code, text) = judged(status, false);
            assert_eq!(code, 1);
            assert!(text.contains("NOT PROVEN") && text.contains(&status.to_string()), "{text}");
        }
    }
}
