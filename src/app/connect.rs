//! `check --connect`: tells whether the store and the upstreams answer, in the way that a start and a request
//! would use them. Nothing is changed there.

use std::fmt;
use std::io::Write;
use std::process::ExitCode;
use std::sync::Arc;
use std::time::Duration;

use crate::cli::check;
use crate::cli::output::{Output, printed};
use crate::config::Config;
use crate::routes::identity::review;
use crate::store::Document;
use crate::store::names::entries;
use crate::upstream;
use crate::workers::Workers;

use super::stores::terms;

/// The result of one connection.
struct CheckResult {
    /// Place: `store …` or `upstream …`.
    place: String,
    /// Description of the answer, or the reason why there is no answer.
    answer: Result<String, String>,
    /// Risks that the operator should know of.
    risks: Vec<String>,
}

/// Connects to the store and to every upstream of `config`, and prints one line for each result.
pub(super) async fn connect(config: Config, short: bool) -> ExitCode {
    let mut all_answer = true;
    let mut out = Output::new();
    if !short && let Err(error) = writeln!(out, "\nConnected") {
        return printed(Err(error));
    }
    let indent = if short { "" } else { "  " };
    let mut print = |result: CheckResult| {
        all_answer &= result.answer.is_ok();
        write!(out, "{}", Lines { indent, result: &result })
    };
    let mut written = print(store(&config).await);
    for (name, upstream) in &config.upstreams {
        let answer = upstream::check(upstream).await.map(|()| "answers".to_owned());
        let place = format!("upstream {name} at {}", upstream.url);
        written = written.and_then(|()| print(CheckResult { place, answer, risks: Vec::new() }));
    }
    match written {
        Err(error) => printed(Err(error)),
        Ok(()) if all_answer => ExitCode::from(check::FINE),
        Ok(()) => ExitCode::from(check::NO_ANSWER),
    }
}

/// A finding as lines of text.
struct Lines<'f> {
    indent: &'static str,
    result: &'f CheckResult,
}

impl fmt::Display for Lines<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { indent, result: CheckResult { place, answer, risks } } = self;
        match answer {
            Ok(answer) => writeln!(f, "{indent}{place}: {answer}")?,
            Err(why) => writeln!(f, "{indent}{place}: FAILED: {why}")?,
        }
        risks.iter().try_for_each(|risk| writeln!(f, "{indent}{place}: warning: {risk}"))
    }
}

async fn store(config: &Config) -> CheckResult {
    let place = format!("store {}", config.store.settings.description());
    let (answer, risks) = match checked(config).await {
        Ok((answer, risks)) => (Ok(answer), risks),
        Err(why) => (Err(why), Vec::new()),
    };
    CheckResult { place, answer, risks }
}

async fn checked(config: &Config) -> Result<(String, Vec<String>), String> {
    let terms = terms(config, Workers::default(), Arc::new(|| Duration::ZERO));
    let check = config.store.settings.check_connection(terms).await.map_err(|error| error.to_string())?;
    if let Some(names) = &check.names {
        agrees(config, names)?;
    }
    Ok((check.answer.into(), check.risks))
}

/// Makes sure that a start would not be refused because the store names operations differently.
fn agrees(config: &Config, names: &Document) -> Result<(), String> {
    let Some(bytes) = &names.bytes else {
        return Ok(());
    };
    let review = review(config, &entries(bytes)?, names.now);
    let otherwise = review.conflicts.iter().map(|conflict| &conflict.entry).chain(&review.lost);
    let otherwise: Vec<String> = otherwise.map(|entry| entry.name().to_string()).collect();
    if otherwise.is_empty() {
        return Ok(());
    }
    Err(format!(
        "it holds operations that this configuration names otherwise, or no longer covers: {}; a start is refused and \
         says what to write",
        otherwise.join(", ")
    ))
}
